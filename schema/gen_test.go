package schema

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// drawName draws a valid name; short ones are likely, so that two draws often meet.
func drawName(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "view", "like", "yes", "no", "on", "off", "y", "n", "inf", "nan", "e1"}),
		rapid.StringMatching(`[a-z][a-z0-9_]{0,8}`),
	).Filter(func(s string) bool {
		return !slices.Contains(reservedEverywhere[:], s) && !slices.Contains(reservedForFields[:], s)
	}).Draw(t, "name")
}

func drawNames(t *rapid.T, most int) []string {
	names := rapid.SliceOfNDistinct(rapid.Custom(drawName), 0, most, rapid.ID[string]).Draw(t, "names")
	return names
}

func drawHalfLife(t *rapid.T) time.Duration {
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{minHalfLife, time.Hour, 6 * time.Hour, day, 7 * day, 30 * day, maxHalfLife}),
		rapid.Map(rapid.Int64Range(int64(minHalfLife/time.Millisecond), int64(maxHalfLife/time.Millisecond)),
			func(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }),
	).Draw(t, "half-life")
}

func drawWindows(t *rapid.T) []Window {
	return drawSubset(t, "windows", Window1h, Window24h, Window7d, Window30d, WindowAll)
}

func drawSubset[T comparable](t *rapid.T, label string, all ...T) []T {
	var set []T
	for i, v := range rapid.Permutation(all).Draw(t, label+" order") {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s %d", label, i)) {
			set = append(set, v)
		}
	}
	return set
}

func drawSignal(t *rapid.T, name string) SignalType {
	s := SignalType{
		Name: name,
		HalfLives: rapid.SliceOfNDistinct(rapid.Custom(drawHalfLife), 0, maxHalfLives,
			rapid.ID[time.Duration]).Draw(t, "half-lives"),
		Permanent:   rapid.Bool().Draw(t, "permanent"),
		Windows:     drawWindows(t),
		UniqueUsers: rapid.Bool().Draw(t, "unique users"),
		Meaning:     Meaning(rapid.Uint8Range(0, 3).Draw(t, "meaning")),
		Seen:        rapid.Bool().Draw(t, "seen"),
		Sets:        drawSubset(t, "sets", Liked, Saved, InProgress),
	}
	s.Velocity = slices.ContainsFunc(s.Windows, func(w Window) bool { return w < WindowAll }) &&
		rapid.Bool().Draw(t, "velocity")
	for _, m := range drawSubset(t, "clears", Liked, Saved, InProgress) {
		if !slices.Contains(s.Sets, m) {
			s.Clears = append(s.Clears, m)
		}
	}
	return s
}

func drawEntity(t *rapid.T) EntityType {
	var e EntityType
	for i, name := range drawNames(t, 8) {
		if i%3 == 2 {
			e.Embeddings = append(e.Embeddings, Embedding{name, rapid.IntRange(1, maxDimensions).Draw(t, "dimensions")})
			continue
		}
		e.Fields = append(e.Fields, drawField(t, name))
	}
	return e
}

func drawField(t *rapid.T, name string) Field {
	switch name {
	case CreatorField:
		return Field{name, TypeKeyword}
	case ExpiresField, PublishedField:
		return Field{name, TypeTime}
	}
	return Field{name, FieldType(rapid.Uint8Range(1, 8).Draw(t, "type"))}
}

// drawSchema draws a valid schema, not always in normal form.
func drawSchema(t *rapid.T) *Schema {
	s := &Schema{
		Name:    drawName(t),
		Version: rapid.SampledFrom([]uint32{0, 1, 2, 3, math.MaxUint32}).Draw(t, "version"),
		FutureBound: rapid.SampledFrom([]time.Duration{
			0, time.Millisecond, 1500 * time.Millisecond,
			2 * time.Second, maxFutureBound,
		}).Draw(t, "future bound"),
		Items: drawEntity(t), Users: drawEntity(t), Creators: drawEntity(t),
	}
	if s.Version > 1 {
		s.Parent[rapid.IntRange(0, 15).Draw(t, "byte")] = rapid.Byte().Draw(t, "parent") | 1
	}
	for _, name := range drawNames(t, 6) {
		s.Signals = append(s.Signals, drawSignal(t, name))
	}
	s.Profiles, s.Cohorts = drawProfiles(t, s), drawCohorts(t)
	s.SessionPolicies = drawPolicies(t, s)
	return s
}

// drawProfiles draws profiles that name only what s has.
func drawProfiles(t *rapid.T, s *Schema) []Profile {
	var drawn []Profile
	for i := range rapid.IntRange(0, 4).Draw(t, "profiles") {
		p := Profile{
			Name:    rapid.SampledFrom([]string{"a", "b", "yes", "nan"}).Draw(t, "profile"),
			Version: rapid.SampledFrom([]uint32{1, 2, 3, math.MaxUint32}).Draw(t, "profile version"),
		}
		same := func(q Profile) bool { return compareProfiles(p, q) == 0 }
		if slices.ContainsFunc(drawn, same) || slices.ContainsFunc(s.Profiles, same) {
			continue
		}
		fillProfile(t, s, &p)
		if rapid.IntRange(0, 9).Draw(t, "empty lists") == i {
			p.Gates, p.Explore = []string{}, []Slot{}
		}
		drawn = append(drawn, p)
	}
	return drawn
}

func fillProfile(t *rapid.T, s *Schema, p *Profile) {
	for range rapid.IntRange(0, 3).Draw(t, "sources") {
		p.Candidates = append(p.Candidates, drawSource(t, s))
	}
	if rapid.Bool().Draw(t, "first") {
		p.First = drawExpression(t)
	}
	for _, name := range drawNames(t, 3) {
		p.Score = append(p.Score, Step{name, rapid.SampledFrom([]StepOp{Add, Multiply}).Draw(t, "op"), drawExpression(t)})
	}
	p.Gates = rapid.SliceOfN(rapid.Custom(drawExpression), 0, 2).Draw(t, "gates")
	for _, f := range s.Items.Fields {
		var value string
		switch f.Type {
		case TypeKeyword, TypeTags:
			value = drawExpression(t)
		case TypeBool:
			value = "false"
		case TypeInt:
			value = fmt.Sprint(rapid.Int64().Draw(t, "value"))
		default:
			continue
		}
		d, n := &p.Diversity, rapid.IntRange(1, maxTaken).Draw(t, "n")
		switch rapid.IntRange(0, 3).Draw(t, "rule") {
		case 1:
			d.MaxPer = append(d.MaxPer, MaxPer{f.Name, n})
		case 2:
			d.Shares = append(d.Shares, Share{f.Name, rapid.Float64Range(1e-9, 1).Draw(t, "most")})
		case 3:
			d.AtLeast = append(d.AtLeast, AtLeast{f.Name, value, n})
		}
	}
	p.Diversity.Relevance = rapid.SampledFrom([]float64{0, 0, 1}).Draw(t, "relevance")
	if len(s.Items.Embeddings) > 0 && rapid.Bool().Draw(t, "slot") {
		p.Diversity.Relevance = rapid.Float64Range(0, 1).Draw(t, "lambda")
		p.Diversity.Embedding = s.Items.Embeddings[0].Name
	}
	for _, name := range drawNames(t, 3) {
		slot := Slot{Name: name, Share: rapid.Float64Range(1e-9, 0.16).Draw(t, "share")}
		if slot.Pool = Pool(rapid.Uint8Range(1, 4).Draw(t, "pool")); slot.Pool == PoolNew {
			slot.Within = drawHalfLife(t)
		}
		p.Explore = append(p.Explore, slot)
	}
}

func drawSource(t *rapid.T, s *Schema) Source {
	c := Source{Kind: SourceKind(rapid.Uint8Range(1, 8).Draw(t, "source"))}
	if c.Kind != FromAll {
		c.Limit = rapid.IntRange(0, maxTaken).Draw(t, "limit")
	}
	if len(s.Signals) == 0 {
		return c
	}
	switch signal := rapid.SampledFrom(s.Signals).Draw(t, "signal"); {
	case c.Kind == FromRising:
		c.Signal = signal.Name
	case c.Kind == FromHead && len(signal.HalfLives) > 0:
		c.Signal = signal.Name
		c.HalfLife = rapid.SampledFrom(append([]time.Duration{0}, signal.HalfLives...)).Draw(t, "head half-life")
	}
	return c
}

// drawExpression draws what YAML has most trouble with.
func drawExpression(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"age", "1", "true", "null", "~", "- x", "a: b", "a #b", `"`, "'", `\`, "{", "[x", "\n x \t", "it's \"so\"", "…", "  a ",
			"&a", "*a", "!a", "|", ">", "%", "@", "---", "\n---\n", "a\n\n\n b", "1e-7", "0x1", ".nan", "? ", "a, b", "\\n",
		}),
		rapid.StringN(1, 30, 200),
	).Filter(func(s string) bool {
		v := &validator{}
		v.expression("", s)
		return v.errs == nil
	}).Draw(t, "expression")
}

func drawCohorts(t *rapid.T) []Cohort {
	var drawn []Cohort
	for _, name := range drawNames(t, 3) {
		drawn = append(drawn, Cohort{name, drawExpression(t)})
	}
	return drawn
}

// drawAddition makes random additions to next, which is a copy of a valid schema.
func drawAddition(t *rapid.T, next *Schema) {
	for i := range next.Signals {
		s := &next.Signals[i]
		if rapid.Bool().Draw(t, "more half-lives") {
			h := drawHalfLife(t)
			if len(s.HalfLives) < maxHalfLives && !slices.Contains(s.HalfLives, h) {
				s.HalfLives = append(s.HalfLives, h)
			}
		}
		for _, w := range drawWindows(t) {
			if !slices.Contains(s.Windows, w) {
				s.Windows = append(s.Windows, w)
			}
		}
		s.UniqueUsers = s.UniqueUsers || rapid.Bool().Draw(t, "unique on")
	}
	for _, name := range drawNames(t, 3) {
		if _, _, taken := next.Signal(name); !taken {
			next.Signals = append(next.Signals, drawSignal(t, name))
		}
	}
	for _, e := range []*EntityType{&next.Items, &next.Users, &next.Creators} {
		for i, name := range drawNames(t, 3) {
			_, field := e.Field(name)
			_, slot := e.Embedding(name)
			switch {
			case field || slot:
			case i == 2 && len(e.Embeddings) < maxEmbeddings:
				e.Embeddings = append(e.Embeddings, Embedding{name, rapid.IntRange(1, 9).Draw(t, "dimensions")})
			default:
				e.Fields = append(e.Fields, drawField(t, name))
			}
		}
	}
	next.Profiles = append(next.Profiles, drawProfiles(t, next)...)
	for _, c := range drawCohorts(t) {
		if _, taken := next.Cohort(c.Name); !taken {
			next.Cohorts = append(next.Cohorts, c)
		}
	}
	for _, p := range drawPolicies(t, next) {
		if _, taken := next.SessionPolicy(p.Name); !taken {
			next.SessionPolicies = append(next.SessionPolicies, p)
		}
	}
}

// drawValue draws a value of every kind, the zero Value aside.
func drawValue(t *rapid.T) Value {
	switch rapid.IntRange(1, 8).Draw(t, "kind") {
	case kindText:
		return String(rapid.String().Draw(t, "text"))
	case kindInt:
		return Int(rapid.Int64().Draw(t, "int"))
	case kindFloat:
		return Float(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
			0, math.Copysign(0, -1), 5, 1e21, 1e-7,
			math.MaxFloat64, math.SmallestNonzeroFloat64,
		})).Draw(t, "float"))
	case kindBool:
		return Bool(rapid.Bool().Draw(t, "bool"))
	case kindTime:
		return Time(rapid.OneOf(rapid.Int64(), rapid.Int64Range(minTextTime-5, minTextTime+5),
			rapid.Int64Range(endTextTime-5, endTextTime+5), rapid.Int64Range(0, 2e12)).Draw(t, "time"))
	case kindGeo:
		return Geo(rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lon"))
	case kindTags:
		return Tags(rapid.SliceOfN(rapid.StringN(1, 20, maxTagBytes), 0, 12).Draw(t, "tags"))
	}
	return Vector(rapid.SliceOfN(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{
		0, 1, -2,
		float32(math.Copysign(0, -1)),
	})), 1, 24).Draw(t, "vector"))
}
