package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// profiles checks everything about profiles that can be seen without the rest of the schema.
func (v *validator) profiles(profiles []Profile) {
	v.count("profiles", len(profiles), maxProfiles, "versions of profiles")
	size, parts := 0, 0
	for i := range profiles {
		p := &profiles[i]
		path := fmt.Sprintf("profiles[%d]", i)
		v.name(path+".name", p.Name, nil)
		switch {
		case p.Version == 0:
			v.refuse(path+".version", "is 0; versions count from 1")
		case i > 0 && compareProfiles(profiles[i-1], *p) == 0:
			v.refuse(path+".version", "is there twice: %q has a version %d already", p.Name, p.Version)
		}
		v.profile(path, p)
		size, parts = size+len(p.append(nil)), parts+p.parts()
	}
	v.count("profiles", parts, maxParts, "sources, steps, gates, rules and slots in all")
	if size > maxProfileBytes {
		v.refuse("profiles", "take %d bytes in all, at most %d", size, maxProfileBytes)
	}
}

func (v *validator) profile(path string, p *Profile) {
	v.count(path+".candidates", len(p.Candidates), maxSources, "sources")
	for i, s := range p.Candidates {
		v.source(fmt.Sprintf("%s.candidates[%d]", path, i), s)
	}
	if p.First != "" {
		v.expression(path+".first", p.First)
	}
	v.count(path+".score", len(p.Score), maxSteps, "steps")
	names := make(map[string]bool)
	for i, s := range p.Score {
		at := fmt.Sprintf("%s.score[%d]", path, i)
		v.name(at+".name", s.Name, nil)
		v.once(at+".name", s.Name, names)
		if !s.Op.valid() {
			v.refuse(at, "%s is unknown", s.Op)
			continue
		}
		v.expression(at+"."+s.Op.String(), s.Expr)
	}
	v.count(path+".gates", len(p.Gates), maxGates, "gates")
	for i, g := range p.Gates {
		v.expression(fmt.Sprintf("%s.gates[%d]", path, i), g)
	}
	v.diversity(path+".diversity", &p.Diversity)
	v.slots(path+".explore", p.Explore)
}

func (v *validator) source(path string, s Source) {
	if !s.Kind.valid() {
		v.refuse(path+".from", "%s is unknown", s.Kind)
		return
	}
	if s.Signal != "" {
		v.name(path+".signal", s.Signal, nil)
		if s.Kind != FromHead && s.Kind != FromRising && s.Kind != FromMost {
			v.refuse(path+".signal", "stands with %s; only head, rising and most go by a signal", s.Kind)
		}
	}
	switch at := path + ".half_life"; {
	case s.HalfLife == 0:
	case s.Kind != FromHead:
		v.refuse(at, "stands with %s; only head goes by a half-life", s.Kind)
	case s.Signal == "":
		v.refuse(at, "stands without a signal; each positive type goes by its first one")
	case s.HalfLife < minHalfLife || s.HalfLife > maxHalfLife || s.HalfLife%time.Millisecond != 0:
		v.refuse(at, "is %s; half-lives are from %s to %s (100 years) in whole milliseconds",
			FormatDuration(s.HalfLife), FormatDuration(minHalfLife), FormatDuration(maxHalfLife))
	}
	switch {
	case s.Limit < 0 || s.Limit > maxTaken:
		v.refuse(path+".limit", "is %d; a source gives 1 to %d items, and 0 stands for 500", s.Limit, maxTaken)
	case s.Limit > 0 && s.Kind == FromAll:
		v.refuse(path+".limit", "stands with all, which has no limit")
	}
}

func (v *validator) diversity(path string, d *Diversity) {
	v.count(path+".max_per", len(d.MaxPer), maxRules, "rules")
	fields := make(map[string]bool)
	for i, m := range d.MaxPer {
		at := fmt.Sprintf("%s.max_per[%d]", path, i)
		v.ruleField(at, m.Field, fields)
		v.taken(at, m.N)
	}
	v.count(path+".share", len(d.Shares), maxRules, "rules")
	fields = make(map[string]bool)
	for i, s := range d.Shares {
		at := fmt.Sprintf("%s.share[%d]", path, i)
		v.ruleField(at, s.Field, fields)
		if !(s.Max > 0 && s.Max <= 1) {
			v.refuse(at, "is %v; the part of a list is above 0 and at most 1", s.Max)
		}
	}
	v.count(path+".at_least", len(d.AtLeast), maxRules, "rules")
	pairs := make(map[[2]string]bool)
	for i, a := range d.AtLeast {
		at := fmt.Sprintf("%s.at_least[%d]", path, i)
		v.name(at+".field", a.Field, nil)
		v.content(at+".value", a.Value, maxKeyword)
		if pair := [2]string{a.Field, a.Value}; pairs[pair] {
			v.refuse(at, "is there twice: %q has a rule for that value already", a.Field)
		} else {
			pairs[pair] = true
		}
		v.taken(at+".n", a.N)
	}
	if !(d.Relevance >= 0 && d.Relevance <= 1) {
		v.refuse(path+".relevance", "is %v; it's from 0 to 1", d.Relevance)
	}
	if d.Embedding != "" {
		v.name(path+".embedding", d.Embedding, nil)
	}
}

// ruleField checks the field of a rule of which each field has one.
func (v *validator) ruleField(path, field string, seen map[string]bool) {
	v.name(path, field, nil)
	if seen[field] {
		v.refuse(path, "is there twice: %q has such a rule already", field)
	}
	seen[field] = true
}

// once refuses a name that is there twice within one profile. It says no path: in a file, profiles may stand in another
// order.
func (v *validator) once(path, name string, seen map[string]bool) {
	if seen[name] && name != "" {
		v.refuse(path, "%q is the name of an earlier one, too", name)
	}
	seen[name] = true
}

func (v *validator) taken(path string, n int) {
	if n < 1 || n > maxTaken {
		v.refuse(path, "is %d; a number of items is from 1 to %d", n, maxTaken)
	}
}

func (v *validator) slots(path string, slots []Slot) {
	v.count(path, len(slots), maxSlots, "slots")
	names := make(map[string]bool)
	sum := 0.0
	for i, s := range slots {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.name(at+".slot", s.Name, nil)
		v.once(at+".slot", s.Name, names)
		if !(s.Share > 0 && s.Share <= maxSlotShares) {
			v.refuse(at+".share", "is %v; a slot's share is above 0 and at most %v", s.Share, maxSlotShares)
		}
		sum += s.Share
		if !s.Pool.valid() {
			v.refuse(at+".pool", "%s is unknown", s.Pool)
		}
		switch {
		case s.Within == 0:
		case s.Pool != PoolNew:
			v.refuse(at+".within", "stands with %s; only the pool new goes by age", s.Pool)
		case s.Within < time.Millisecond || s.Within > maxSlotWithin || s.Within%time.Millisecond != 0:
			v.refuse(at+".within", "is %s; it must be from 1ms to %s in whole milliseconds",
				FormatDuration(s.Within), FormatDuration(maxSlotWithin))
		}
	}
	// Sums of tenths and the like miss by a little.
	if sum > maxSlotShares+1e-9 {
		v.refuse(path, "has shares of %.4g together; slots take at most %v of a list", sum, maxSlotShares)
	}
}

func (v *validator) cohorts(cohorts []Cohort) {
	v.count("cohorts", len(cohorts), maxCohorts, "cohorts")
	size := 0
	for i, c := range cohorts {
		path := fmt.Sprintf("cohorts[%d]", i)
		v.name(path+".name", c.Name, nil)
		if i > 0 && cohorts[i-1].Name == c.Name {
			v.refuse(path+".name", "%q is there twice", c.Name)
		}
		v.expression(path+".where", c.Where)
		size += len(c.append(nil))
	}
	if size > maxCohortBytes {
		v.refuse("cohorts", "take %d bytes in all, at most %d", size, maxCohortBytes)
	}
}

// expression checks a text of another language: what it means isn't known here.
func (v *validator) expression(path, text string) { v.content(path, text, MaxExpression) }

func (v *validator) content(path, text string, most int) {
	switch {
	case strings.TrimSpace(text) == "":
		v.refuse(path, "is empty")
	case len(text) > most:
		v.refuse(path, "has %d bytes, at most %d", len(text), most)
	case !utf8.ValidString(text):
		v.refuse(path, "isn't UTF-8")
	default:
		if i := strings.IndexFunc(text, unprintable); i >= 0 {
			r, _ := utf8.DecodeRuneInString(text[i:])
			v.refuse(path, "has the control character %U at byte %d", r, i)
		}
	}
}

// unprintable is true of what no expression needs and YAML files can't hold as it is.
func unprintable(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\ufeff' || r == '\u2028' || r == '\u2029'
}

// references checks that what profiles name exists, and the types of fields with a meaning of their own.
func (v *validator) references(s, parent *Schema) {
	for _, name := range []string{ExpiresField, PublishedField} {
		f, ok := s.Items.Field(name)
		if !ok || f.Type == TypeTime {
			continue
		}
		if parent != nil && slices.Contains(parent.Items.Fields, f) {
			continue
		}
		v.refuse(fmt.Sprintf("items.fields[%d].type", slices.Index(s.Items.Fields, f)),
			"is %s; the field %q says %s and must be time", f.Type, name, timeFieldSays(name))
	}
	for i := range s.Profiles {
		p := &s.Profiles[i]
		if i+1 < len(s.Profiles) && s.Profiles[i+1].Name == p.Name {
			continue // a newer version follows
		}
		if parent != nil && parent.hasProfile(p) {
			continue
		}
		path := fmt.Sprintf("profiles[%d]", i)
		for j, c := range p.Candidates {
			v.sourceSignal(fmt.Sprintf("%s.candidates[%d]", path, j), s, c)
		}
		v.diversityFields(path+".diversity", &s.Items, &p.Diversity)
	}
}

func timeFieldSays(name string) string {
	if name == ExpiresField {
		return "from when on an item isn't served"
	}
	return "when an item's age begins"
}

// isSignalGroup reports whether a name stands for the types of a meaning, or for the query's signal, as in expressions; a
// type that is called so isn't reached by it.
func isSignalGroup(name string) bool {
	switch name {
	case "positive", "negative", "approval", "signal":
		return true
	}
	return false
}

func (v *validator) sourceSignal(path string, s *Schema, c Source) {
	if c.Signal == "" || isSignalGroup(c.Signal) {
		return
	}
	_, t, ok := s.Signal(c.Signal)
	switch {
	case !ok:
		known := make([]string, len(s.Signals))
		for i := range s.Signals {
			known[i] = s.Signals[i].Name
		}
		v.refuse(path+".signal", "%q is no signal type of the schema%s", c.Signal, suggest(c.Signal, known))
	case c.Kind != FromHead:
	case len(t.HalfLives) == 0:
		v.refuse(path+".signal", "%q has no half-life, so it keeps no decayed score that a head could go by", c.Signal)
	case c.HalfLife != 0 && !slices.Contains(t.HalfLives, c.HalfLife):
		v.refuse(path+".half_life", "is %s; %q has %s", FormatDuration(c.HalfLife), c.Signal,
			list(t.HalfLives, FormatDuration))
	}
}

func (v *validator) diversityFields(path string, items *EntityType, d *Diversity) {
	for i, m := range d.MaxPer {
		v.groupField(fmt.Sprintf("%s.max_per[%d]", path, i), items, m.Field)
	}
	for i, s := range d.Shares {
		v.groupField(fmt.Sprintf("%s.share[%d]", path, i), items, s.Field)
	}
	for i, a := range d.AtLeast {
		at := fmt.Sprintf("%s.at_least[%d]", path, i)
		if t, ok := v.groupField(at+".field", items, a.Field); ok {
			if err := groupValue(t, a.Value); err != nil {
				v.refuse(at+".value", "%v", err)
			}
		}
	}
	if d.Relevance > 0 && d.Relevance < 1 && len(items.Embeddings) == 0 {
		v.refuse(path+".relevance", "compares items by an embedding, and items have none")
	}
	if _, ok := items.Embedding(d.Embedding); !ok && d.Embedding != "" {
		known := make([]string, len(items.Embeddings))
		for i, m := range items.Embeddings {
			known[i] = m.Name
		}
		v.refuse(path+".embedding", "%q is no embedding of items%s", d.Embedding, suggest(d.Embedding, known))
	}
}

// groupField returns the type of a field by which items are grouped.
func (v *validator) groupField(path string, items *EntityType, name string) (FieldType, bool) {
	f, ok := items.Field(name)
	if !ok {
		known := make([]string, len(items.Fields))
		for i, f := range items.Fields {
			known[i] = f.Name
		}
		v.refuse(path, "%q is no field of items%s", name, suggest(name, known))
		return 0, false
	}
	switch f.Type {
	case TypeKeyword, TypeTags, TypeBool, TypeInt:
		return f.Type, true
	}
	v.refuse(path, "%q is %s; lists are mixed by fields of type keyword, tags, bool or int", name, f.Type)
	return 0, false
}

// groupValue says what's wrong with the value that a rule asks for in a field of type t.
func groupValue(t FieldType, value string) error {
	switch t {
	case TypeBool:
		if value != "true" && value != "false" {
			return fmt.Errorf("is %.40q; the field is a bool: true or false", value)
		}
	case TypeInt:
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || strconv.FormatInt(n, 10) != value {
			return fmt.Errorf("is %.40q; the field is an int: a whole number", value)
		}
	case TypeTags:
		if len(value) > maxTagBytes {
			return fmt.Errorf("has %d bytes; tags have at most %d", len(value), maxTagBytes)
		}
	}
	return nil
}
