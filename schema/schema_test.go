package schema

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

func TestEncodingIsExactlyInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		early := s.Encode()
		if err := s.Validate(); err != nil {
			t.Fatalf("drawn schema is not valid: %v", err)
		}
		enc := s.Encode()
		if !bytes.Equal(early, enc) {
			t.Fatal("encoding differs before and after Validate")
		}
		back, err := Decode(enc)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if !reflect.DeepEqual(s, back) {
			t.Fatalf("decoded schema differs:\n%+v\n%+v", s, back)
		}
		if back.Hash() != s.Hash() {
			t.Fatal("hashes of equal schemas differ")
		}
	})
}

func TestYAMLReadsBackToAnEqualSchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		if err := s.Validate(); err != nil {
			t.Fatalf("drawn schema is not valid: %v", err)
		}
		text := s.YAML()
		back, err := ParseYAML("s.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(s, back) {
			t.Fatalf("parsed schema differs:\n%+v\n%+v\n%s", s, back, text)
		}
	})
}

func TestCloneSharesNothing(t *testing.T) {
	s := Events()
	before := s.Encode()
	c := s.Clone()
	for i := range c.Signals {
		c.Signals[i].Name = "x"
		for j := range c.Signals[i].HalfLives {
			c.Signals[i].HalfLives[j]++
		}
		for j := range c.Signals[i].Windows {
			c.Signals[i].Windows[j]++
		}
		for j := range c.Signals[i].Sets {
			c.Signals[i].Sets[j]++
		}
		for j := range c.Signals[i].Clears {
			c.Signals[i].Clears[j]++
		}
	}
	c.Items.Fields[0].Name, c.Users.Fields[0].Name, c.Creators.Fields[0].Name = "x", "x", "x"
	if !bytes.Equal(before, s.Encode()) {
		t.Fatal("changing the clone changed the original")
	}
}

func TestValidateDoesNotWriteToANormalSchema(t *testing.T) {
	s := Events() // under -race two writers would be found
	done := make(chan error)
	for range 4 {
		go func() { done <- s.Validate() }()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestLookups(t *testing.T) {
	s := Events()
	if i, typ, ok := s.Signal("like"); !ok || i != 2 || typ != &s.Signals[2] {
		t.Errorf("Signal(like) = %d, %v, %v", i, typ, ok)
	}
	if _, _, ok := s.Signal("nothing"); ok {
		t.Error("found a signal that isn't there")
	}
	if f, ok := s.Entity(id.KindItem).Field("tags"); !ok || f.Type != TypeTags {
		t.Errorf("Field(tags) = %v, %v", f, ok)
	}
	if _, ok := s.Users.Field("tags"); ok {
		t.Error("found a field that isn't there")
	}
	s.Creators.Embeddings = []Embedding{{"face", 8}}
	if m, ok := s.Entity(id.KindCreator).Embedding("face"); !ok || m.Dimensions != 8 {
		t.Errorf("Embedding(face) = %v, %v", m, ok)
	}
	if _, ok := s.Entity(id.KindUser).Embedding("face"); ok {
		t.Error("found a slot that isn't there")
	}
	if s.Entity(9) != nil {
		t.Error("an unknown kind has a declaration")
	}
}

func TestValidateReportsEveryProblemWithItsPath(t *testing.T) {
	s := &Schema{
		Name:        "Video",
		Parent:      Hash{1},
		FutureBound: -time.Second,
		Signals: []SignalType{
			{Name: "view", HalfLives: []time.Duration{time.Second, time.Minute + time.Microsecond, time.Hour, time.Hour}},
			{Name: "view", Windows: []Window{WindowAll, WindowAll, 9}, Velocity: true, Meaning: 7},
			{Name: "all", Sets: []Mark{Saved, Liked}, Clears: []Mark{Liked, 0}},
			{Name: strings.Repeat("x", 64)},
			{Name: "9a"},
			{},
		},
		Items: EntityType{
			Fields:     []Field{{"creator", TypeText}, {"liked", TypeBool}, {"title", 0}, {"title", TypeText}},
			Embeddings: []Embedding{{"title", 4097}, {"ok", 0}},
		},
	}
	want := `refused: name: "Video" is not a name; names are a lower-case letter, then letters, digits and underscores
refused: parent: is 01000000000000000000000000000000; version 1 has none
refused: future_bound: is -1s; it must be from 1ms to 1d in whole milliseconds
refused: signals[0].half_lives: has 4 half-lives, at most 3
refused: signals[0].half_lives[0]: is 1s; half-lives are from 1m to 36500d (100 years)
refused: signals[0].half_lives[1]: is 1m0.000001s; half-lives are whole milliseconds
refused: signals[0].half_lives[3]: 1h is listed twice
refused: signals[1].name: "view" is the name of signals[0], too
refused: signals[1].windows[1]: all is listed twice
refused: signals[1].windows[2]: window(9) is unknown
refused: signals[1].meaning: meaning(7) is unknown
refused: signals[2].name: "all" is reserved
refused: signals[2].clears[0]: mark(0) is unknown
refused: signals[2].clears[1]: liked is set by the same signal
refused: signals[3].name: has 64 bytes; names have at most 63
refused: signals[4].name: "9a" is not a name; names are a lower-case letter, then letters, digits and underscores
refused: signals[5].name: is empty; names are a lower-case letter, then letters, digits and underscores
refused: items.fields[1].name: "liked" is reserved
refused: items.fields[2].type: type(0) is unknown
refused: items.fields[3].name: "title" is the name of items.fields[2], too
refused: items.embeddings[0].name: "title" is the name of items.fields[2], too
refused: items.embeddings[0].dimensions: is 4097; embeddings have 1 to 4096 dimensions
refused: items.embeddings[1].dimensions: is 0; embeddings have 1 to 4096 dimensions
refused: items.fields[0].type: is text; the field "creator" holds the id of the item's creator and must be keyword`
	err := s.Validate()
	if err == nil || !errors.Is(err, fault.ErrInput) {
		t.Fatalf("got %v", err)
	}
	if got := err.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestValidateHoldsTheLimits(t *testing.T) {
	many := func(n int) (s Schema) {
		s.Name = "many"
		for i := range n {
			name := "n" + strings.Repeat("a", i/26) + string(rune('a'+i%26))
			if i < 70 {
				s.Signals = append(s.Signals, SignalType{Name: name})
			}
			s.Items.Fields = append(s.Items.Fields, Field{name, TypeInt})
			if i < 10 {
				s.Users.Embeddings = append(s.Users.Embeddings, Embedding{name, 4096})
			}
		}
		return s
	}
	s := many(300)
	err := s.Validate()
	for _, want := range []string{
		"signals: has 70 signal types, at most 64", "items.fields: has 300 fields, at most 256",
		"users.embeddings: has 10 embeddings, at most 8",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	s.Signals, s.Items.Fields, s.Users.Embeddings = s.Signals[:64], s.Items.Fields[:256], s.Users.Embeddings[:8]
	if err := s.Validate(); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	if back, err := Decode(s.Encode()); err != nil || !reflect.DeepEqual(back, &s) {
		t.Errorf("at the limits: %v", err)
	}
}

func TestVersionsNeedAParent(t *testing.T) {
	s := &Schema{Name: "a", Version: 2}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "parent: is missing") {
		t.Errorf("got %v", err)
	}
}

// The largest schema must fit the bound of the record that carries it (256 KiB), as YAML the bound of ParseYAML.
func TestTheLargestSchemaFits(t *testing.T) {
	long := func(i int) string { return strings.Repeat("x", 60) + string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	s := &Schema{Name: strings.Repeat("y", 63), Version: 1<<32 - 1, Parent: Hash{1}, FutureBound: 86399999 * time.Millisecond}
	for i := range maxSignals {
		s.Signals = append(s.Signals, SignalType{
			Name: long(i), Meaning: HardNegative, Seen: true, Permanent: true,
			HalfLives: []time.Duration{maxHalfLife, maxHalfLife - time.Millisecond, maxHalfLife - 2*time.Millisecond},
			Windows:   []Window{1, 2, 3, 4, 5}, Velocity: true, UniqueUsers: true, Sets: []Mark{1, 2, 3},
		})
	}
	for _, e := range []*EntityType{&s.Items, &s.Users, &s.Creators} {
		for i := range maxFields {
			e.Fields = append(e.Fields, Field{long(i), TypeKeyword})
		}
		for i := range maxEmbeddings {
			e.Embeddings = append(e.Embeddings, Embedding{long(maxFields + i), maxDimensions})
		}
	}
	for i := range maxCohorts {
		s.Cohorts = append(s.Cohorts, Cohort{long(i), strings.Repeat("\n\"", 220) + "x"})
	}
	for i := range 3 { // each with the names of all types
		s.SessionPolicies = append(s.SessionPolicies, SessionPolicy{Name: long(i), Types: signalNames(s), Rate: 0.12345678901234567})
	}
	s.Users.Fields[0].Name = "a"
	s.Items.Fields[0].Name, s.Items.Fields[1].Name = "a", "b"
	for what, fill := range map[string]func(p *Profile){
		"lines": func(p *Profile) { // few bytes each
			p.Score = []Step{{"a", Multiply, "x"}, {"b", Multiply, "x"}}
			p.Gates = slices.Repeat([]string{"x"}, 8)
			p.Candidates = []Source{{Kind: FromAll}, {Kind: FromAll}}
			p.Diversity = Diversity{Relevance: 1}
		},
		"long": func(p *Profile) { // texts that need more when they're quoted
			p.First = strings.Repeat("\"\\\n\t", 64)
			p.Score = []Step{{"a", Multiply, strings.Repeat("\n'", 20)}}
			p.Diversity = Diversity{Relevance: 0.12345678901234567, Embedding: s.Items.Embeddings[0].Name}
		},
		"rules": func(p *Profile) { // the most that is printed for a byte
			for i := range 10 {
				p.Diversity.AtLeast = append(p.Diversity.AtLeast, AtLeast{"a", strings.Repeat("\n", i+1), 1})
				p.Diversity.AtLeast[i].Value += "x"
			}
			p.Candidates = []Source{{Kind: FromHead, Signal: long(0), HalfLife: maxHalfLife, Limit: maxTaken}}
			p.Explore = []Slot{{"a", 0.12345678901234567, PoolNew, maxHalfLife - time.Millisecond}}
		},
		"slots": func(p *Profile) {
			for i := range maxSlots {
				name := string(rune('a' + i))
				p.Explore = append(p.Explore, Slot{name, 0.012345678901234567, PoolNew, maxHalfLife - time.Millisecond})
			}
			p.First = strings.Repeat("\n\"", 98) + "x"
			p.Gates = []string{"x", "x", "x", "x"}
			p.Diversity = Diversity{Relevance: 0.12345678901234567}
		},
	} {
		s.Profiles = nil
		size, parts := 0, 0
		for i := range maxProfiles {
			p := Profile{Name: "a", Version: math.MaxUint32 - uint32(i)}
			fill(&p)
			size, parts = size+len(p.append(nil)), parts+p.parts()
			if size <= maxProfileBytes && parts <= maxParts {
				s.Profiles = append(s.Profiles, p)
			}
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		enc, text := s.Encode(), s.YAML()
		t.Logf("%s: %d profiles, %d bytes, YAML %d bytes in %d lines", what, len(s.Profiles), len(enc), len(text),
			bytes.Count(text, []byte("\n")))
		if len(enc) > 256<<10 {
			t.Errorf("%s: encoding has %d bytes", what, len(enc))
		}
		if len(text) > maxYAML/5*4 {
			t.Errorf("%s: YAML has %d bytes", what, len(text))
		}
		if n := bytes.Count(text, []byte("\n")); n > maxYAMLLines/5*4 {
			t.Errorf("%s: YAML has %d lines", what, n)
		}
		if back, err := ParseYAML("large.yaml", text); err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s: YAML doesn't read back: %.1000v", what, err)
		}
	}
}

func TestWordsReadBack(t *testing.T) {
	for w := Window1h; w <= WindowAll; w++ {
		if got, err := ParseWindow(w.String()); err != nil || got != w {
			t.Errorf("window %s: %v, %v", w, got, err)
		}
	}
	for m := Neutral; m <= HardNegative; m++ {
		if got, err := ParseMeaning(m.String()); err != nil || got != m {
			t.Errorf("meaning %s: %v, %v", m, got, err)
		}
	}
	for m := Liked; m <= InProgress; m++ {
		if got, err := ParseMark(m.String()); err != nil || got != m {
			t.Errorf("mark %s: %v, %v", m, got, err)
		}
	}
	for f := TypeKeyword; f <= TypeTags; f++ {
		if got, err := ParseFieldType(f.String()); err != nil || got != f {
			t.Errorf("type %s: %v, %v", f, got, err)
		}
	}
	for k := FromAll; k <= FromMost; k++ {
		if got, err := ParseSourceKind(k.String()); err != nil || got != k {
			t.Errorf("source %s: %v, %v", k, got, err)
		}
	}
	for o := Add; o <= Multiply; o++ {
		if got, err := ParseStepOp(o.String()); err != nil || got != o {
			t.Errorf("operation %s: %v, %v", o, got, err)
		}
	}
	for p := PoolNew; p <= PoolAll; p++ {
		if got, err := ParsePool(p.String()); err != nil || got != p {
			t.Errorf("pool %s: %v, %v", p, got, err)
		}
	}
	for _, bad := range []string{"", "heads", "Add", "pool(9)"} {
		_, source := ParseSourceKind(bad)
		_, op := ParseStepOp(bad)
		_, pool := ParsePool(bad)
		for _, err := range []error{source, op, pool} {
			if !errors.Is(err, fault.ErrInput) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
	for _, bad := range []string{"", "2h", "ALL", "window(9)"} {
		if _, err := ParseWindow(bad); !errors.Is(err, fault.ErrInput) {
			t.Errorf("window %q: %v", bad, err)
		}
	}
	want := []time.Duration{0, time.Hour, day, 7 * day, 30 * day, 0, 0}
	for w, d := range want {
		if got := Window(w).Duration(); got != d {
			t.Errorf("%s has %s, want %s", Window(w), got, d)
		}
	}
	if !slices.Equal([]string{
		Window(6).String(), Mark(0).String(), FieldType(9).String(), SourceKind(11).String(), StepOp(0).String(),
		Pool(5).String(),
	}, []string{"window(6)", "mark(0)", "type(9)", "source(11)", "operation(0)", "pool(5)"}) {
		t.Error("unknown numbers don't print as numbers")
	}
}

func TestHashReadsBack(t *testing.T) {
	h := Events().Hash()
	if got, err := ParseHash(h.String()); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	text, _ := h.MarshalText()
	var back Hash
	if err := back.UnmarshalText(text); err != nil || back != h {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{"", "00", h.String() + "00", strings.ToUpper(h.String()), strings.Repeat("g", 32)} {
		if err := back.UnmarshalText([]byte(bad)); !errors.Is(err, fault.ErrInput) || back != h {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if h.IsZero() || !(Hash{}).IsZero() {
		t.Error("IsZero")
	}
}

func TestDurationsReadBack(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 7 * day, "36h": 36 * time.Hour, "30m": 30 * time.Minute, "1h30m": 90 * time.Minute, "2w": 14 * day,
		"1500ms": 1500 * time.Millisecond, "90s": 90 * time.Second, "1d12h": 36 * time.Hour, "0s": 0,
		"1m1ms": time.Minute + time.Millisecond,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{
		"", "7", "d", "7 d", "-7d", "+7d", "1.5h", "7y", "7D", "9999999999w", "7dd", "1h2",
		"99999999999999999999s", "100000w100000w",
	} {
		if got, err := parseDuration(bad); err == nil {
			t.Errorf("%q was read as %s", bad, got)
		}
		if _, err := ParseDuration(bad); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := drawHalfLife(t)
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%s printed as %q reads as %s, %v", d, FormatDuration(d), got, err)
		}
	})
}
