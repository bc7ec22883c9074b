package tidal

import (
	"fmt"
	"sync"

	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// programs keeps compiled profiles.
type programs struct {
	mu     sync.Mutex
	schema *schema.Schema // that they were compiled for
	byKey  map[programKey]*rank.Program
}

type programKey struct {
	name    string
	version uint32
	params  rank.Params
}

// mostPrograms is how many are kept; queries name signal types and windows of a schema, so there can't be many more.
const mostPrograms = 1024

// get returns the profile that a query names, compiled for a kind of user.
func (p *programs) get(s *schema.Schema, plan *query.Plan, version uint32, whom rank.Whom) (*rank.Program, error) {
	key := programKey{plan.Profile, version, rank.Params{
		Signal: plan.Signal, Window: plan.Window, Cohort: plan.Cohort != "", Whom: whom,
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schema != s || len(p.byKey) >= mostPrograms {
		p.schema, p.byKey = s, map[programKey]*rank.Program{}
	}
	if known := p.byKey[key]; known != nil {
		return known, nil
	}
	profile, err := rank.Lookup(s, key.name, key.version)
	if err != nil {
		return nil, err
	}
	made, err := rank.Compile(profile, s, key.params)
	if err != nil {
		return nil, err
	}
	p.byKey[key] = made
	return made, nil
}

// checkRanking refuses a schema whose profiles or cohorts can't be compiled: their texts are of languages that package
// schema doesn't know. What the version before has is left alone: it can't be taken back any more, and is refused when it
// is used.
func checkRanking(before, s *schema.Schema) error {
	if before == nil {
		before = &schema.Schema{}
	}
	for i := range s.Profiles {
		if _, inherited := before.Profile(s.Profiles[i].Name, s.Profiles[i].Version); inherited {
			continue
		}
		if _, err := rank.Compile(s.Profiles[i], s, rank.Params{}); err != nil {
			return fmt.Errorf("profiles[%d]: %w", i, err)
		}
	}
	for i := range s.Cohorts {
		if _, inherited := before.Cohort(s.Cohorts[i].Name); inherited {
			continue
		}
		x, err := query.ParseFilter(s.Cohorts[i].Where)
		if err == nil {
			_, err = query.CompileFilter(x, &s.Users, true)
		}
		if err != nil {
			return fmt.Errorf("cohorts[%d].where: %w", i, err)
		}
	}
	return nil
}
