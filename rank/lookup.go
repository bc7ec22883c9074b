package rank

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// Lookup returns a version of a profile, the newest for version 0, from the schema's own and the built-in ones.
//
// A built-in profile is version 1 of its name. A schema may have later versions of the same name: the highest is then
// what the name means, and version 1 stays the built-in one to compare with. A schema may also have a version 1 of its
// own, which hides the built-in one.
//
// Errors match fault.ErrInput; they list names that are near, or the versions that there are.
func Lookup(s *schema.Schema, name string, version uint32) (schema.Profile, error) {
	var found *schema.Profile
	var versions []uint32
	take := func(p *schema.Profile) {
		if !slices.Contains(versions, p.Version) {
			versions = append(versions, p.Version)
		}
		if p.Version == version || version == 0 && (found == nil || p.Version >= found.Version) {
			found = p
		}
	}
	for _, b := range builtins {
		if b.name == name {
			p := b.make(s)
			take(&p)
		}
	}
	for i := range s.Profiles {
		if s.Profiles[i].Name == name {
			take(&s.Profiles[i])
		}
	}
	switch {
	case found != nil:
		return *found, nil
	case len(versions) == 0:
		return schema.Profile{}, unknownProfile(s, name)
	}
	var list []string
	for _, v := range versions {
		list = append(list, fmt.Sprint(v))
	}
	return schema.Profile{}, fault.Refuse("version", "%s has no version %d; it has %s", name, version,
		strings.Join(list, ", "))
}

func unknownProfile(s *schema.Schema, name string) error {
	var known []string
	for _, b := range builtins {
		known = append(known, b.name)
	}
	for i := range s.Profiles {
		if name := s.Profiles[i].Name; !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	if near := suggest(name, known); near != "" {
		return fault.Refuse("profile", "%.64q is unknown%s", name, near)
	}
	return fault.Refuse("profile", "%.64q is unknown; there are %s", name, strings.Join(known, ", "))
}
