package rows

import (
	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Limits of a signal, as the database holds them. Checking here, too, tells good rows from bad ones before they share
// a request; should a limit of the database be tighter, the importer narrows the request instead.
const (
	maxID      = 512
	maxCohorts = 8
	maxCohort  = 64
)

// Check refuses, with an [*Error], a row that a database with schema s would refuse.
func Check(r Row, s *schema.Schema) error {
	for _, record := range r.Records {
		// Records of other kinds are made whole by their format, from a schema that fits; see Format.Fits.
		if g, ok := record.(tidal.Signal); ok {
			if err := checkSignal(&g, s); err != nil {
				return r.badField(err)
			}
		}
	}
	return nil
}

func checkSignal(g *tidal.Signal, s *schema.Schema) error {
	if _, _, ok := s.Signal(g.Type); !ok {
		return badField(causeType, "unknown signal type %q; the schema %s has %s", g.Type, s.Name, TypeNames(s))
	}
	for _, id := range []struct {
		name, value string
		optional    bool
	}{{"item", g.Item, false}, {"user", g.User, true}, {"creator", g.Creator, true}} {
		if id.value == "" && !id.optional {
			return badField(causeID, "the %s is empty", id.name)
		}
		if len(id.value) > maxID {
			return badField(causeID, "the %s has %d bytes; at most %d are allowed", id.name, len(id.value), maxID)
		}
	}
	if len(g.Cohorts) > maxCohorts {
		return badField(causeID, "%d cohorts; at most %d are allowed", len(g.Cohorts), maxCohorts)
	}
	for _, c := range g.Cohorts {
		if c == "" || len(c) > maxCohort {
			return badField(causeID, "cohort %q has %d bytes; 1 to %d are allowed", c, len(c), maxCohort)
		}
	}
	return nil
}

// TypeNames lists a schema's signal types for a message.
func TypeNames(s *schema.Schema) string {
	names := ""
	for i, t := range s.Signals {
		if i > 0 {
			names += ", "
		}
		names += t.Name
	}
	return names
}
