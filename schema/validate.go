package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Names that filters, formulae and rankings need for themselves. They are constant tables.
var (
	reservedEverywhere = [...]string{"all", "and", "false", "in", "not", "now", "null", "or", "true", "within"}
	reservedForFields  = [...]string{
		"blocked", "cohort", "collection", "followed", "generation", "hidden", "id", "in_progress", "kind", "liked",
		"muted", "saved", "score", "seen", "unblocked", "unseen",
	}
)

// Validate brings s into normal form and reports every problem it has, nil if there is none.
//
// Normal form means: the defaults of Version and FutureBound filled in; half-lives, windows and marks ascending;
// profiles in order of name and version, cohorts and policies of sessions in order of name. A schema that's in normal form isn't written to. The
// error joins one [fault.Input] per problem, each with the path of what's wrong, such as "signals[2].half_lives[0]".
//
// Expressions of profiles and filters of cohorts are texts here: packages rank and query say whether they mean
// something. What else a profile names must exist for the newest version of each name; an older one may have lost it
// in a [Union], and has been replaced.
func (s *Schema) Validate() error {
	s.normalise()
	return s.check(nil)
}

// check reports all that's wrong with s in normal form. parent is the version that s adds to, nil if that isn't known:
// what it has was looked at when it was added.
func (s *Schema) check(parent *Schema) error {
	v := &validator{}
	v.form(s)
	v.references(s, parent)
	v.policyTypes(s, parent)
	return errors.Join(v.errs...)
}

// checkForm reports what's wrong with s in normal form, apart from references. All that was ever entered passes.
func (s *Schema) checkForm() error {
	v := &validator{}
	v.form(s)
	return errors.Join(v.errs...)
}

// validator collects problems in the order in which they are found.
type validator struct{ errs []error }

func (v *validator) form(s *Schema) {
	v.name("name", s.Name, nil)
	switch {
	case s.Version == 1 && !s.Parent.IsZero():
		v.refuse("parent", "is %s; version 1 has none", s.Parent)
	case s.Version > 1 && s.Parent.IsZero():
		v.refuse("parent", "is missing; version %d needs the hash of the version it adds to", s.Version)
	}
	if s.FutureBound < time.Millisecond || s.FutureBound > maxFutureBound || s.FutureBound%time.Millisecond != 0 {
		v.refuse("future_bound", "is %s; it must be from 1ms to %s in whole milliseconds",
			FormatDuration(s.FutureBound), FormatDuration(maxFutureBound))
	}
	v.count("signals", len(s.Signals), maxSignals, "signal types")
	names := make(map[string]string)
	for i := range s.Signals {
		path := fmt.Sprintf("signals[%d]", i)
		v.name(path+".name", s.Signals[i].Name, nil)
		v.unique(names, path+".name", s.Signals[i].Name)
		v.signal(path, &s.Signals[i])
	}
	v.entity("items", &s.Items)
	v.entity("users", &s.Users)
	v.entity("creators", &s.Creators)
	if f, ok := s.Items.Field(CreatorField); ok && f.Type != TypeKeyword {
		v.refuse(fmt.Sprintf("items.fields[%d].type", slices.Index(s.Items.Fields, f)),
			"is %s; the field %q holds the id of the item's creator and must be keyword", f.Type, CreatorField)
	}
	v.profiles(s.Profiles)
	v.cohorts(s.Cohorts)
	v.policies(s.SessionPolicies)
}

func (v *validator) refuse(path, format string, args ...any) {
	v.errs = append(v.errs, fault.Refuse(path, format, args...))
}

func (v *validator) signal(path string, t *SignalType) {
	v.count(path+".half_lives", len(t.HalfLives), maxHalfLives, "half-lives")
	for i, h := range t.HalfLives {
		at := fmt.Sprintf("%s.half_lives[%d]", path, i)
		switch {
		case h < minHalfLife || h > maxHalfLife:
			v.refuse(at, "is %s; half-lives are from %s to %s (100 years)", FormatDuration(h),
				FormatDuration(minHalfLife), FormatDuration(maxHalfLife))
		case h%time.Millisecond != 0:
			v.refuse(at, "is %s; half-lives are whole milliseconds", h)
		}
	}
	validSet(v, path+".half_lives", t.HalfLives, FormatDuration, nil)
	validSet(v, path+".windows", t.Windows, Window.String, Window.valid)
	validSet(v, path+".sets", t.Sets, Mark.String, Mark.valid)
	validSet(v, path+".clears", t.Clears, Mark.String, Mark.valid)
	for i, m := range t.Clears {
		if slices.Contains(t.Sets, m) {
			v.refuse(fmt.Sprintf("%s.clears[%d]", path, i), "%s is set by the same signal", m)
		}
	}
	if t.Velocity && !slices.ContainsFunc(t.Windows, func(w Window) bool { return w != WindowAll }) {
		v.refuse(path+".velocity", "needs a window other than all")
	}
	if !t.Meaning.valid() {
		v.refuse(path+".meaning", "%s is unknown", t.Meaning)
	}
}

// validSet checks an ascending list for unknown and repeated members.
func validSet[T comparable](v *validator, path string, set []T, text func(T) string, known func(T) bool) {
	for i, m := range set {
		at := fmt.Sprintf("%s[%d]", path, i)
		if known != nil && !known(m) {
			v.refuse(at, "%s is unknown", text(m))
		}
		if i > 0 && set[i-1] == m {
			v.refuse(at, "%s is listed twice", text(m))
		}
	}
}

func (v *validator) entity(path string, e *EntityType) {
	names := make(map[string]string)
	v.count(path+".fields", len(e.Fields), maxFields, "fields")
	for i, f := range e.Fields {
		at := fmt.Sprintf("%s.fields[%d]", path, i)
		v.name(at+".name", f.Name, reservedForFields[:])
		v.unique(names, at+".name", f.Name)
		if !f.Type.valid() {
			v.refuse(at+".type", "%s is unknown", f.Type)
		}
	}
	v.count(path+".embeddings", len(e.Embeddings), maxEmbeddings, "embeddings")
	for i, m := range e.Embeddings {
		at := fmt.Sprintf("%s.embeddings[%d]", path, i)
		v.name(at+".name", m.Name, reservedForFields[:])
		v.unique(names, at+".name", m.Name)
		if m.Dimensions < 1 || m.Dimensions > maxDimensions {
			v.refuse(at+".dimensions", "is %d; embeddings have 1 to %d dimensions", m.Dimensions, maxDimensions)
		}
	}
}

func (v *validator) count(path string, n, most int, what string) {
	if n > most {
		v.refuse(path, "has %d %s, at most %d", n, what, most)
	}
}

func (v *validator) name(path, name string, reserved []string) {
	switch {
	case name == "":
		v.refuse(path, "is empty; names are a lower-case letter, then letters, digits and underscores")
	case !isIdentifier(name):
		v.refuse(path, "%q is not a name; names are a lower-case letter, then letters, digits and underscores", name)
	case len(name) > MaxName:
		v.refuse(path, "has %d bytes; names have at most %d", len(name), MaxName)
	case slices.Contains(reservedEverywhere[:], name) || slices.Contains(reserved, name):
		v.refuse(path, "%q is reserved", name)
	}
}

// unique refuses a name that was seen before and says where.
func (v *validator) unique(seen map[string]string, path, name string) {
	if first, ok := seen[name]; ok && name != "" {
		v.refuse(path, "%q is the name of %s, too", name, strings.TrimSuffix(first, ".name"))
		return
	}
	seen[name] = path
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}
