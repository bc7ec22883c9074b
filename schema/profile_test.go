package schema

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestProfilesAndCohortsAreFound(t *testing.T) {
	s := rankedSchema(t)
	for _, c := range []struct {
		name         string
		version, got uint32
	}{{"morning", 1, 1}, {"morning", 2, 2}, {"morning", 0, math.MaxUint32}, {"evening", 0, 7}} {
		if p, ok := s.Profile(c.name, c.version); !ok || p.Name != c.name || p.Version != c.got {
			t.Errorf("%s %d: %+v, %v", c.name, c.version, p, ok)
		}
	}
	for _, c := range []struct {
		name    string
		version uint32
	}{{"noon", 0}, {"evening", 1}} {
		if _, ok := s.Profile(c.name, c.version); ok {
			t.Errorf("found %s %d", c.name, c.version)
		}
	}
	if c, ok := s.Cohort("german"); !ok || c.Where != `language = "de"` {
		t.Errorf("%+v, %v", c, ok)
	}
	if _, ok := s.Cohort("french"); ok {
		t.Error("found a cohort that isn't there")
	}
}

func TestProfilesAndCohortsAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		enc := s.Encode()
		s.Profiles = rapid.Permutation(s.Profiles).Draw(t, "profiles")
		s.Cohorts = rapid.Permutation(s.Cohorts).Draw(t, "cohorts")
		if !bytes.Equal(enc, s.Encode()) {
			t.Fatal("the order shows")
		}
	})
}

func TestCloneSharesNoProfile(t *testing.T) {
	s := rankedSchema(t)
	before := s.Encode()
	c := s.Clone()
	for i := range c.Profiles {
		scramble(reflect.ValueOf(&c.Profiles[i]).Elem())
	}
	for i := range c.SessionPolicies {
		scramble(reflect.ValueOf(&c.SessionPolicies[i]).Elem())
	}
	for i := range c.Cohorts {
		scramble(reflect.ValueOf(&c.Cohorts[i]).Elem())
	}
	if !bytes.Equal(before, s.Encode()) {
		t.Error("changing the clone changed the original")
	}
	if bytes.Equal(before, c.Encode()) {
		t.Error("the clone wasn't changed: the test tests nothing")
	}
}

// scramble changes all that v leads to.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
		}
	case reflect.String:
		v.SetString("x" + v.String())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(v.Uint() ^ 1)
	}
}

// Each case makes one thing wrong in a schema that's right.
func TestValidateNamesWhatIsWrongWithProfiles(t *testing.T) {
	for _, c := range []struct {
		change func(s *Schema, p *Profile) // p is the only profile of s
		want   string
	}{
		{func(_ *Schema, p *Profile) { p.Name = "" }, "profiles[0].name: is empty"},
		{func(_ *Schema, p *Profile) { p.Name = "or" }, `profiles[0].name: "or" is reserved`},
		{func(_ *Schema, p *Profile) { p.Version = 0 }, "profiles[0].version: is 0; versions count from 1"},
		{func(s *Schema, p *Profile) { s.Profiles = append(s.Profiles, *p) }, `profiles[1].version: is there twice: "morning" has a`},
		{func(_ *Schema, p *Profile) { p.Candidates[0].Kind = 11 }, "profiles[0].candidates[0].from: source(11) is unknown"},
		{func(_ *Schema, p *Profile) { p.Candidates[0].Signal = "View" }, `candidates[0].signal: "View" is not a name`},
		{func(_ *Schema, p *Profile) { p.Candidates[0].HalfLife++ }, "candidates[0].half_life: is 24h0m0.000000001s; half-lives are"},
		{func(_ *Schema, p *Profile) { p.Candidates[0].Limit = 10_001 }, "candidates[0].limit: is 10001; a source gives 1 to 10000"},
		{func(_ *Schema, p *Profile) { p.Candidates[0].Limit = -1 }, "candidates[0].limit: is -1; "},
		{func(_ *Schema, p *Profile) { p.Score[0].Op = 3 }, "profiles[0].score[0]: operation(3) is unknown"},
		{func(_ *Schema, p *Profile) { p.Score[0].Expr = "\xff" }, "profiles[0].score[0].add: isn't UTF-8"},
		{func(_ *Schema, p *Profile) { p.Score[1].Expr = "\t\n" }, "profiles[0].score[1].multiply: is empty"},
		{func(_ *Schema, p *Profile) { p.Gates[1] = "a\u2028b" }, "profiles[0].gates[1]: has the control character U+2028 at byte 1"},
		{
			func(_ *Schema, p *Profile) { p.First = strings.Repeat("x", MaxExpression+1) },
			"profiles[0].first: has 4097 bytes, at most 4096",
		},
		{func(_ *Schema, p *Profile) { p.Diversity.MaxPer[0].N = 0 }, "diversity.max_per[0]: is 0; a number of items is"},
		{func(_ *Schema, p *Profile) { p.Diversity.MaxPer[1].Field = "creator" }, `max_per[1]: is there twice: "creator" has`},
		{func(_ *Schema, p *Profile) { p.Diversity.Shares[0].Max = math.NaN() }, "diversity.share[0]: is NaN; the part of a list"},
		{func(_ *Schema, p *Profile) { p.Diversity.AtLeast[0].N = 10_001 }, "diversity.at_least[0].n: is 10001; "},
		{
			func(_ *Schema, p *Profile) { p.Diversity.AtLeast[0].Value = strings.Repeat("x", 1025) },
			"diversity.at_least[0].value: has 1025 bytes, at most 1024",
		},
		{
			func(_ *Schema, p *Profile) { p.Diversity.AtLeast[3].Value = strings.Repeat("x", 257) },
			"diversity.at_least[3].value: has 257 bytes; tags have at most 256",
		},
		{func(_ *Schema, p *Profile) { p.Diversity.Relevance = math.NaN() }, "diversity.relevance: is NaN; it's from 0 to 1"},
		{func(_ *Schema, p *Profile) { p.Diversity.Embedding = "title" }, `embedding: "title" is no embedding of items`},
		{func(_ *Schema, p *Profile) { p.Explore[0].Share = math.NaN() }, "explore[0].share: is NaN; a slot's share"},
		{func(_ *Schema, p *Profile) { p.Explore[0].Pool = 0 }, "explore[0].pool: pool(0) is unknown"},
		{func(_ *Schema, p *Profile) { p.Explore[0].Within = -1 }, "explore[0].within: is -1ns; it must be from 1ms"},
		{func(_ *Schema, p *Profile) { p.Explore[1].Within = 1 }, "explore[1].within: stands with unfollowed; only the pool"},
		{func(_ *Schema, p *Profile) { p.Explore[0].Share = 0.2 }, "profiles[0].explore: has shares of 0.55 together"},
		{func(s *Schema, _ *Profile) { s.Cohorts[0].Where = " " }, "cohorts[0].where: is empty"},
		{func(s *Schema, _ *Profile) { s.Cohorts[0].Name = "us_young" }, `cohorts[1].name: "us_young" is there twice`},
		{func(s *Schema, _ *Profile) { s.Cohorts[1].Name = strings.Repeat("x", 64) }, "cohorts[1].name: has 64 bytes; names have"},
		{func(s *Schema, _ *Profile) { s.Signals[0].Name = "see" }, `candidates[0].signal: "view" is no signal type of the schema`},
		{func(s *Schema, _ *Profile) { s.Items.Fields[13].Type = TypeInt }, `items.fields[13].type: is int; the field "expires"`},
	} {
		s := rankedSchema(t)
		p, _ := s.Profile("morning", 1)
		s.Profiles = []Profile{*p}
		c.change(s, &s.Profiles[0])
		if err := s.Validate(); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestValidateHoldsTheLimitsOfProfiles(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("n%d", i) }
	items := EntityType{}
	for i := range 20 {
		items.Fields = append(items.Fields, Field{name(i), TypeKeyword})
	}
	most := Profile{Name: "p", Version: 1, First: strings.Repeat("x", MaxExpression)}
	over := Profile{Name: "p", Version: 1}
	add := func(p *Profile, sources, steps, gates, rules, slots int) {
		for range sources {
			p.Candidates = append(p.Candidates, Source{Kind: FromNewest, Limit: maxTaken})
		}
		for i := range steps {
			p.Score = append(p.Score, Step{name(i), Add, "1"})
		}
		for range gates {
			p.Gates = append(p.Gates, "1")
		}
		for i := range rules {
			p.Diversity.MaxPer = append(p.Diversity.MaxPer, MaxPer{name(i), 1})
			p.Diversity.Shares = append(p.Diversity.Shares, Share{name(i), 1})
			p.Diversity.AtLeast = append(p.Diversity.AtLeast, AtLeast{name(i), "x", 1})
		}
		for i := range slots {
			p.Explore = append(p.Explore, Slot{Name: name(i), Share: 0.5 / float64(slots), Pool: PoolAll})
		}
	}
	add(&most, 16, 64, 32, 16, 8)
	add(&over, 17, 65, 33, 17, 9)
	s := &Schema{Name: "a", Items: items, Profiles: []Profile{most}}
	if err := s.Validate(); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	if back, err := Decode(s.Encode()); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("at the limits: %v", err)
	}
	for range 300 {
		s.Profiles = append(s.Profiles, Profile{Name: "q", Version: uint32(len(s.Profiles)), First: strings.Repeat("x", 400)})
	}
	for i := range 70 {
		s.Cohorts = append(s.Cohorts, Cohort{name(i), strings.Repeat("x", 500)})
	}
	for i := range 20 {
		q := most.clone()
		q.Version = uint32(i + 2)
		s.Profiles = append(s.Profiles, q)
	}
	s.Profiles[0] = over
	err := s.Validate()
	for _, want := range []string{
		"profiles: has 321 versions of profiles, at most 256",
		"profiles: has 3535 sources, steps, gates, rules and slots in all, at most 3072",
		"profiles: take 230724 bytes in all, at most 98304",
		"profiles[0].candidates: has 17 sources, at most 16",
		"profiles[0].score: has 65 steps, at most 64",
		"profiles[0].gates: has 33 gates, at most 32",
		"profiles[0].diversity.max_per: has 17 rules, at most 16",
		"profiles[0].diversity.share: has 17 rules, at most 16",
		"profiles[0].diversity.at_least: has 17 rules, at most 16",
		"profiles[0].explore: has 9 slots, at most 8",
		"cohorts: has 70 cohorts, at most 64",
		"cohorts: take 35410 bytes in all, at most 32768",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.3000v\nlacks %q", err, want)
		}
	}
}

// What a profile names is looked at when it's added, and while no newer version has replaced it.
func TestOnlyTheNewestVersionMustNameWhatExists(t *testing.T) {
	s := &Schema{Name: "a", Profiles: []Profile{
		{Name: "p", Version: 1, Diversity: Diversity{Embedding: "gone"}}, {Name: "p", Version: 2},
	}}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	s.Profiles = s.Profiles[:1]
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), `"gone" is no embedding of items`) {
		t.Errorf("got %v", err)
	}
	next, err := s.Extend(func(s *Schema) { s.Cohorts = []Cohort{{"c", "a = 1"}} })
	if err != nil || len(next.Cohorts) != 1 {
		t.Errorf("%v", err)
	}
	_, err = s.Extend(func(s *Schema) {
		s.Profiles = append(s.Profiles, Profile{Name: "q", Version: 1, Diversity: Diversity{Embedding: "gone"}})
	})
	if err == nil || !strings.Contains(err.Error(), `profiles[1].diversity.embedding: "gone" is no embedding of items`) {
		t.Errorf("got %v", err)
	}
}

func TestProfilesAndCohortsNeverChange(t *testing.T) {
	parent := rankedSchema(t)
	for _, c := range []struct {
		want   string
		change func(s *Schema, p *Profile) // p is morning 1
	}{
		{"profiles.evening.7: was there, would be gone", func(s *Schema, _ *Profile) { s.Profiles = s.Profiles[1:] }},
		{
			"profiles.morning.1.candidates[0]: was {from: head, signal: view, half_life: 1d, limit: 500}, would be {from: newest}",
			func(_ *Schema, p *Profile) { p.Candidates[0] = Source{Kind: FromNewest} },
		},
		{
			"profiles.morning.1.candidates: was 9 long, would be 8",
			func(_ *Schema, p *Profile) { p.Candidates = p.Candidates[:8] },
		},
		{
			`profiles.morning.1.first: was "score(view, 1d)", would be ""`,
			func(_ *Schema, p *Profile) { p.First = "" },
		},
		{
			`profiles.morning.1.score[0]: was {name: shares, add: "0.5 * velocity(share, 24h)"}, ` +
				`would be {name: shares, multiply: "0.5 * velocity(share, 24h)"}`,
			func(_ *Schema, p *Profile) { p.Score[0].Op = Multiply },
		},
		{`profiles.morning.1.gates[0]: was "total(view) >= 1", would be "0"`, func(_ *Schema, p *Profile) { p.Gates[0] = "0" }},
		{
			"profiles.morning.1.diversity.max_per[0]: was creator: 2, would be creator: 3",
			func(_ *Schema, p *Profile) { p.Diversity.MaxPer[0].N = 3 },
		},
		{
			"profiles.morning.1.diversity.share[0]: was category: 0.6, would be language: 0.6",
			func(_ *Schema, p *Profile) { p.Diversity.Shares[0].Field = "language" },
		},
		{
			`profiles.morning.1.diversity.at_least: was 4 long, would be 0`,
			func(_ *Schema, p *Profile) { p.Diversity.AtLeast = nil },
		},
		{
			"profiles.morning.1.diversity.relevance: was 0.7, would be 0.8",
			func(_ *Schema, p *Profile) { p.Diversity.Relevance = 0.8 },
		},
		{
			`profiles.morning.1.diversity.embedding: was "content", would be ""`,
			func(_ *Schema, p *Profile) { p.Diversity.Embedding = "" },
		},
		{
			"profiles.morning.1.explore[0]: was {slot: fresh, share: 0.1, pool: new, within: 36h}, " +
				"would be {slot: fresh, share: 0.1, pool: new}",
			func(_ *Schema, p *Profile) { p.Explore[0].Within = 0 },
		},
		{"cohorts.german: was there, would be gone", func(s *Schema, _ *Profile) { s.Cohorts = s.Cohorts[1:] }},
		{
			`cohorts.german: was "language = \"de\"", would be "language = \"at\""`,
			func(s *Schema, _ *Profile) { s.Cohorts[0].Where = `language = "at"` },
		},
	} {
		_, err := parent.Extend(func(s *Schema) {
			p, _ := s.Profile("morning", 1)
			c.change(s, p)
		})
		if !errors.Is(err, fault.ErrSchema) || !strings.Contains(err.Error(), "schema is not compatible: "+c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestUnionOfProfilesAndCohorts(t *testing.T) {
	base := rankedSchema(t)
	extend := func(change func(s *Schema)) *Schema {
		t.Helper()
		s, err := base.Extend(change)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	add := func(s *Schema, name string, version uint32, first string) {
		s.Profiles = append(s.Profiles, Profile{Name: name, Version: version, First: first})
	}
	a := extend(func(s *Schema) {
		add(s, "noon", 1, "aa")
		add(s, "noon", 2, "ab")
		add(s, "evening", 8, "x")
		s.Cohorts = append(s.Cohorts, Cohort{"both", "a = 1"}, Cohort{"ours", "b = 1"})
	})
	b := extend(func(s *Schema) {
		add(s, "noon", 2, "b")
		add(s, "noon", 3, "b")
		add(s, "evening", 8, "y")
		s.Cohorts = append(s.Cohorts, Cohort{"both", "b = 1"}, Cohort{"theirs", "c = 1"})
	})
	u, err := Union(base, a, b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range u.Profiles {
		got = append(got, fmt.Sprintf("%s.%d(%s)", p.Name, p.Version, p.First))
	}
	for _, c := range u.Cohorts {
		got = append(got, fmt.Sprintf("%s(%s)", c.Name, c.Where))
	}
	want := `evening.7() evening.8(y) morning.1(score(view, 1d)) morning.2() morning.4294967295() noon.1(aa) noon.2(ab) ` +
		`noon.3(b) both(b = 1) german(language = "de") ours(b = 1) theirs(c = 1) us_young(region = "US" AND age < 25)`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestUnionHoldsTheLimitsOfProfiles(t *testing.T) {
	base := builtin(&Schema{Name: "a"})
	branch := func(name, first, where string, gates int) *Schema {
		s, err := base.Extend(func(s *Schema) {
			for i := range 200 {
				p := Profile{Name: name, Version: uint32(i + 1), First: first}
				if i < 60 {
					p.Gates = slices.Repeat([]string{"1"}, gates)
				}
				s.Profiles = append(s.Profiles, p)
			}
			for i := range 40 {
				s.Cohorts = append(s.Cohorts, Cohort{fmt.Sprintf("%s%02d", name, i), where})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		what          string
		first, where  int // bytes
		gates         int
		p, q, cohorts int
	}{
		{"number", 0, 9, 0, 200, 56, 64},
		{"bytes", 456, 800, 0, 200, 5, 40},
		{"parts", 0, 600, 31, 200, 39, 54},
	} {
		first, where := strings.Repeat("x", c.first), strings.Repeat("x", c.where)
		u, err := Union(base, branch("q", first, where, c.gates), branch("p", first, where, c.gates))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(u.Encode()); err != nil {
			t.Error(err)
		}
		p := 0
		for _, v := range u.Profiles {
			if v.Name == "p" {
				p++
			}
		}
		if q := len(u.Profiles) - p; p != c.p || q != c.q || len(u.Cohorts) != c.cohorts {
			t.Errorf("%s: %d of p, %d of q, %d cohorts", c.what, p, q, len(u.Cohorts))
		}
	}
}

// A profile whose half-life has given way stays; what's new is looked at as ever.
func TestUnionKeepsAProfileThatLostWhatItNames(t *testing.T) {
	base := builtin(&Schema{Name: "a", Signals: []SignalType{{Name: "view"}}})
	extend := func(s *Schema, change func(s *Schema)) *Schema {
		t.Helper()
		next, err := s.Extend(change)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	a := extend(base, func(s *Schema) {
		s.Signals[0].HalfLives = []time.Duration{30 * day}
		s.Profiles = []Profile{{Name: "p", Version: 1, Candidates: []Source{
			{Kind: FromHead, Signal: "view", HalfLife: 30 * day},
		}}}
	})
	b := extend(base, func(s *Schema) { s.Signals[0].HalfLives = []time.Duration{day, 2 * day, 3 * day} })
	u, err := Union(base, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Profile("p", 1); !ok {
		t.Error("the profile is gone")
	}
	if err := u.Clone().Validate(); err == nil || !strings.Contains(err.Error(), `half_life: is 30d; "view" has [1d, 2d, 3d]`) {
		t.Errorf("got %v", err)
	}
	if back, err := Decode(u.Encode()); err != nil || !reflect.DeepEqual(back, u) {
		t.Errorf("%v", err)
	}
	mended := extend(u, func(s *Schema) {
		s.Profiles = append(s.Profiles, Profile{Name: "p", Version: 2, Candidates: []Source{{Kind: FromHead, Signal: "view"}}})
	})
	if err := mended.Validate(); err != nil {
		t.Error(err)
	}
}
