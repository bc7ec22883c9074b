package tidal

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// A signal counts for the schema's cohorts that its user is in when it is written. They are resolved here, before the
// leader stamps, because the fields of a cold user may have to come from the disk; from then on they are part of the
// record, so apply and undo look nothing up. They aren't part of what a retry is recognised by (record.ContentHash).

// cohorts keeps those of a schema version, compiled.
type cohorts struct {
	last atomic.Pointer[compiledCohorts]
}

// compiledCohorts are the cohorts of a schema in its order, at most 64, without those that can't be compiled any more:
// nobody is in these.
type compiledCohorts struct {
	schema *schema.Schema
	names  []string
	where  []query.Expr
	// fields are those that the filters ask for.
	fields []string
}

func (c *cohorts) of(s *schema.Schema) *compiledCohorts {
	if known := c.last.Load(); known != nil && known.schema == s {
		return known
	}
	made := compileCohorts(s)
	c.last.Store(made)
	return made
}

func compileCohorts(s *schema.Schema) *compiledCohorts {
	c := &compiledCohorts{schema: s}
	for _, x := range s.Cohorts {
		where, err := query.ParseFilter(x.Where)
		if err == nil {
			where, err = query.CompileFilter(where, &s.Users, true)
		}
		if err != nil {
			continue // the union of two regions' schemas can leave a filter without its field
		}
		c.names, c.where = append(c.names, x.Name), append(c.where, where)
		c.fields = fieldsIn(where, c.fields)
	}
	return c
}

// fieldsIn appends the fields that a filter asks for.
func fieldsIn(x query.Expr, out []string) []string {
	name := ""
	switch x := x.(type) {
	case query.And:
		for _, y := range x {
			out = fieldsIn(y, out)
		}
	case query.Or:
		for _, y := range x {
			out = fieldsIn(y, out)
		}
	case query.Not:
		return fieldsIn(x.X, out)
	case query.Compare:
		name = x.Field
	case query.In:
		name = x.Field
	case query.Within:
		name = x.Field
	case query.Has:
		name = x.Field
	case query.Near:
		name = x.Field
	}
	if name != "" && !slices.Contains(out, name) {
		out = append(out, name)
	}
	return out
}

// member is a user of a request, and the cohorts that they are in, as bits.
type member struct {
	user string
	in   uint64
	cold bool
	// names are the cohorts of a signal that brings none of its own, once they were asked for.
	names []string
}

// joinCohorts adds to every signal with a user the cohorts that the user is in, as far as there is room. It reads each
// user once, as they are now; what the request itself changes about them counts from the next one on. It reports whether
// there was anything to add.
func (db *DB) joinCohorts(ctx context.Context, records []record.Proposed, s *schema.Schema) (bool, error) {
	if len(s.Cohorts) == 0 {
		return false, nil
	}
	c := db.cohorts.of(s)
	if len(c.names) == 0 {
		return false, nil
	}
	members, index := membersOf(records)
	if err := db.readMembers(ctx, members, c); err != nil {
		return false, err
	}
	added := false
	for i := range records {
		x := &records[i].Signal
		if !hasUser(&records[i]) {
			continue
		}
		m := &members[index[x.User]]
		switch {
		case m.in == 0:
			continue
		case len(x.Cohorts) > 0:
			x.Cohorts = c.join(x.Cohorts, m.in)
		default:
			if m.names == nil {
				m.names = c.join(nil, m.in)
			}
			x.Cohorts = m.names
		}
		added = true
	}
	return added, nil
}

func hasUser(p *record.Proposed) bool { return p.Kind == record.KindSignal && p.Signal.User != "" }

// membersOf returns the users of signals, each once, and where each of them is.
func membersOf(records []record.Proposed) ([]member, map[string]int) {
	n := 0
	for i := range records {
		if hasUser(&records[i]) {
			n++
		}
	}
	members, index := make([]member, 0, n), make(map[string]int, n)
	for i := range records {
		if !hasUser(&records[i]) {
			continue
		}
		user := records[i].Signal.User
		if _, known := index[user]; !known {
			index[user] = len(members)
			members = append(members, member{user: user})
		}
	}
	return members, index
}

// readMembers finds out which cohorts users are in. Those in memory are read some at a time, the others one by one.
func (db *DB) readMembers(ctx context.Context, members []member, c *compiledCohorts) error {
	now := db.now().UnixMilli()
	r := memberReader{c: c, values: make([]schema.Value, len(c.fields)), now: now}
	for rest := members; len(rest) > 0; rest = rest[min(entitiesAtOnce, len(rest)):] {
		err := db.read(ctx, func(e *engine.Engine) error {
			for i := range rest[:min(entitiesAtOnce, len(rest))] {
				m := &rest[i]
				if m.cold = e.Cold(m.user); m.cold {
					continue
				}
				if err := r.read(e, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i := range members {
		m := &members[i]
		if !m.cold {
			continue
		}
		if err := db.readUser(ctx, m.user, func(e *engine.Engine) error { return r.read(e, m) }); err != nil {
			return fmt.Errorf("resolve the cohorts of user %q: %w", m.user, err)
		}
	}
	return nil
}

// memberReader reads users' fields, one user after the other.
type memberReader struct {
	c      *compiledCohorts
	values []schema.Value // of the fields that filters ask for; zero if it isn't set
	now    int64
}

func (r *memberReader) read(e *engine.Engine, m *member) (err error) {
	clear(r.values)
	e.UserFields(m.user, func(name, value []byte) {
		at := slices.IndexFunc(r.c.fields, func(field string) bool { return field == string(name) })
		if at < 0 || err != nil {
			return
		}
		if r.values[at], err = schema.DecodeValue(value); err != nil {
			err = fmt.Errorf("field %q of user %q: %w", name, m.user, err)
		}
	})
	if err != nil {
		return err
	}
	for i, where := range r.c.where {
		if query.Match(where, r.value, r.now) {
			m.in |= 1 << i
		}
	}
	return nil
}

func (r *memberReader) value(field string) (schema.Value, bool) {
	i := slices.Index(r.c.fields, field)
	return r.values[i], !r.values[i].IsZero()
}

// join adds cohorts to those of a signal: in the schema's order, each once, until there are as many as a signal may have.
// The result is sorted, as it stands in a record.
func (c *compiledCohorts) join(own []string, in uint64) []string {
	out := slices.Clone(own)
	for i, name := range c.names {
		if len(out) >= record.MaxCohorts {
			break
		}
		if in&(1<<i) != 0 && !slices.Contains(own, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
