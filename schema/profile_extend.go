package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// hasProfile reports whether s has the very same version of a profile.
func (s *Schema) hasProfile(p *Profile) bool {
	own, ok := s.Profile(p.Name, p.Version)
	return ok && p.Version > 0 && bytes.Equal(own.append(nil), p.append(nil))
}

func (c *comparison) profiles(parent, child *Schema) {
	for i := range parent.Profiles {
		p := &parent.Profiles[i]
		path := fmt.Sprintf("profiles.%s.%d", p.Name, p.Version)
		n, ok := child.Profile(p.Name, p.Version)
		if !ok {
			c.differs(path, "was there, would be gone")
			continue
		}
		c.profile(path, p, n)
	}
}

// profile names the first difference of each part.
func (c *comparison) profile(path string, p, n *Profile) {
	sameList(c, path+".candidates", p.Candidates, n.Candidates, Source.yaml)
	c.same(path+".first", strconv.Quote(p.First), strconv.Quote(n.First))
	sameList(c, path+".score", p.Score, n.Score, Step.yaml)
	sameList(c, path+".gates", p.Gates, n.Gates, strconv.Quote)
	d, e := &p.Diversity, &n.Diversity
	sameList(c, path+".diversity.max_per", d.MaxPer, e.MaxPer, MaxPer.yaml)
	sameList(c, path+".diversity.share", d.Shares, e.Shares, Share.yaml)
	sameList(c, path+".diversity.at_least", d.AtLeast, e.AtLeast, AtLeast.yaml)
	c.same(path+".diversity.relevance", yamlFloat(d.Relevance), yamlFloat(e.Relevance))
	c.same(path+".diversity.embedding", strconv.Quote(d.Embedding), strconv.Quote(e.Embedding))
	sameList(c, path+".explore", p.Explore, n.Explore, Slot.yaml)
}

// sameList names the first place where two lists differ, or else their lengths.
func sameList[T comparable](c *comparison, path string, parent, child []T, text func(T) string) {
	for i := range min(len(parent), len(child)) {
		if parent[i] != child[i] {
			c.same(fmt.Sprintf("%s[%d]", path, i), text(parent[i]), text(child[i]))
			return
		}
	}
	if len(parent) != len(child) {
		c.differs(path, "was %d long, would be %d", len(parent), len(child))
	}
}

func (c *comparison) cohorts(parent, child *Schema) {
	for _, p := range parent.Cohorts {
		path := "cohorts." + p.Name
		if n, ok := child.Cohort(p.Name); ok {
			c.same(path, strconv.Quote(p.Where), strconv.Quote(n.Where))
			continue
		}
		c.differs(path, "was there, would be gone")
	}
}

// uniteProfiles joins the profiles of base with what two sides add. Of two versions with one name and number the one
// with the larger bytes stands, so it doesn't matter which of several meet first.
func uniteProfiles(base, a, b *Schema) []Profile {
	u := slices.Clone(base.Profiles)
	size, parts := 0, 0
	for i := range u {
		u[i] = u[i].clone()
		size, parts = size+len(u[i].append(nil)), parts+u[i].parts()
	}
	added := uniteSorted(a.Profiles, b.Profiles, compareProfiles, func(p Profile) []byte { return p.append(nil) })
	for i := range added {
		p := added[i].clone()
		if _, known := base.Profile(p.Name, p.Version); known {
			continue
		}
		size, parts = size+len(p.append(nil)), parts+p.parts()
		if len(u) == maxProfiles || size > maxProfileBytes || parts > maxParts {
			break // what follows isn't tried: whether it fits must not depend on what else there is
		}
		u = append(u, p)
	}
	return u
}

// uniteCohorts does the same with cohorts.
func uniteCohorts(base, a, b *Schema) []Cohort {
	u := slices.Clone(base.Cohorts)
	size := 0
	for _, c := range u {
		size += len(c.append(nil))
	}
	for _, c := range uniteSorted(a.Cohorts, b.Cohorts, compareCohorts, func(c Cohort) []byte { return c.append(nil) }) {
		if _, known := base.Cohort(c.Name); known {
			continue
		}
		size += len(c.append(nil))
		if len(u) == maxCohorts || size > maxCohortBytes {
			break
		}
		u = append(u, c)
	}
	return u
}

// uniteSorted returns all elements in order, of equal ones that with the larger bytes.
func uniteSorted[T any](a, b []T, compare func(T, T) int, encode func(T) []byte) []T {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y T) int {
		if c := compare(x, y); c != 0 {
			return c
		}
		return bytes.Compare(encode(y), encode(x))
	})
	return slices.CompactFunc(all, func(x, y T) bool { return compare(x, y) == 0 })
}
