package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Extends reports whether child only adds to parent: signal types, fields and slots behind those that are there,
// half-lives, windows and unique users of the types that are there, versions of profiles, cohorts, and policies of
// sessions. It returns nil if so, and otherwise an error for each difference, with its path and both values, that matches [fault.ErrSchema].
//
// Both must be valid. Version and Parent aren't looked at: what's asked is whether the content allows the step.
func Extends(parent, child *Schema) error {
	c := &comparison{}
	c.same("name", parent.Name, child.Name)
	c.same("future_bound", FormatDuration(parent.FutureBound), FormatDuration(child.FutureBound))
	for i := range parent.Signals {
		p := &parent.Signals[i]
		path := "signals." + p.Name
		if i >= len(child.Signals) || child.Signals[i].Name != p.Name {
			c.moved(path, i, slices.IndexFunc(child.Signals, func(t SignalType) bool { return t.Name == p.Name }))
			continue
		}
		c.signal(path, p, &child.Signals[i])
	}
	c.entity("items", &parent.Items, &child.Items)
	c.entity("users", &parent.Users, &child.Users)
	c.entity("creators", &parent.Creators, &child.Creators)
	c.profiles(parent, child)
	c.cohorts(parent, child)
	c.policies(parent, child)
	return errors.Join(c.errs...)
}

// Extend returns the next version: a copy of s to which change has made additions. Version and Parent are filled in;
// what change does to them is overwritten. The error is that of [Schema.Validate] or of [Extends]; a change that adds
// nothing is refused, too. s itself must be valid, or a [Union] or from [Decode], and stays as it is: what a profile of
// s names isn't looked at again.
func (s *Schema) Extend(change func(next *Schema)) (*Schema, error) {
	if s.Version == 1<<32-1 {
		return nil, fault.Refuse("version", "is the last one")
	}
	parent := s.Clone()
	parent.normalise()
	next := parent.Clone()
	change(next)
	next.Version, next.Parent = parent.Version+1, parent.Hash()
	next.normalise()
	if err := next.check(parent); err != nil {
		return nil, fmt.Errorf("extend schema: %w", err)
	}
	if err := Extends(parent, next); err != nil {
		return nil, fmt.Errorf("extend schema: %w", err)
	}
	if sameContent(parent, next) {
		return nil, fmt.Errorf("extend schema: %w", fault.Refuse("", "the change adds nothing"))
	}
	return next, nil
}

// comparison collects what stands against a step from one schema to another.
type comparison struct{ errs []error }

func (c *comparison) differs(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%w: %s: %s", fault.ErrSchema, path, fmt.Sprintf(format, args...)))
}

func (c *comparison) same(path, parent, child string) {
	if parent != child {
		c.differs(path, "was %s, would be %s", parent, child)
	}
}

// moved reports an element that isn't at its index; at is where the child has it, −1 if nowhere.
func (c *comparison) moved(path string, index, at int) {
	if at < 0 {
		c.differs(path, "was there, would be gone")
		return
	}
	c.differs(path, "was number %d, would be number %d; additions go to the end", index, at)
}

func (c *comparison) signal(path string, p, n *SignalType) {
	for _, h := range p.HalfLives {
		if !slices.Contains(n.HalfLives, h) {
			c.differs(path+".half_lives", "was %s, would be %s", list(p.HalfLives, FormatDuration),
				list(n.HalfLives, FormatDuration))
			break
		}
	}
	for _, w := range p.Windows {
		if !slices.Contains(n.Windows, w) {
			c.differs(path+".windows", "was %s, would be %s", list(p.Windows, Window.String),
				list(n.Windows, Window.String))
			break
		}
	}
	if p.UniqueUsers && !n.UniqueUsers {
		c.differs(path+".unique_users", "was true, would be false")
	}
	c.same(path+".permanent", fmt.Sprint(p.Permanent), fmt.Sprint(n.Permanent))
	c.same(path+".velocity", fmt.Sprint(p.Velocity), fmt.Sprint(n.Velocity))
	c.same(path+".meaning", p.Meaning.String(), n.Meaning.String())
	c.same(path+".seen", fmt.Sprint(p.Seen), fmt.Sprint(n.Seen))
	c.same(path+".sets", list(p.Sets, Mark.String), list(n.Sets, Mark.String))
	c.same(path+".clears", list(p.Clears, Mark.String), list(n.Clears, Mark.String))
}

func (c *comparison) entity(path string, p, n *EntityType) {
	for i, f := range p.Fields {
		at := path + ".fields." + f.Name
		if i >= len(n.Fields) || n.Fields[i].Name != f.Name {
			c.moved(at, i, slices.IndexFunc(n.Fields, func(g Field) bool { return g.Name == f.Name }))
			continue
		}
		c.same(at, f.Type.String(), n.Fields[i].Type.String())
	}
	for i, m := range p.Embeddings {
		at := path + ".embeddings." + m.Name
		if i >= len(n.Embeddings) || n.Embeddings[i].Name != m.Name {
			c.moved(at, i, slices.IndexFunc(n.Embeddings, func(o Embedding) bool { return o.Name == m.Name }))
			continue
		}
		c.same(at, fmt.Sprint(m.Dimensions), fmt.Sprint(n.Embeddings[i].Dimensions))
	}
}

func list[T any](values []T, text func(T) string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = text(v)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
