package schema

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update rewrites it if the change is meant. Got:\n%s", path, got)
	}
}

// fullSchema uses every part of the format.
func fullSchema(t testing.TB) *Schema {
	base := MovieLens()
	next, err := base.Extend(func(s *Schema) {
		s.Signals[0].UniqueUsers = true
		s.Signals = append(s.Signals, SignalType{
			Name: "start", HalfLives: []time.Duration{90 * minHalfLife}, Permanent: true,
			Windows: []Window{Window1h, WindowAll}, Velocity: true, Sets: []Mark{InProgress}, Clears: []Mark{Liked, Saved},
		},
			SignalType{Name: "hide", Meaning: HardNegative})
		s.Items.Embeddings = []Embedding{{"content", 384}, {"cover", 512}}
		s.Users.Fields = append(s.Users.Fields, Field{"home", TypeGeo}, Field{"score_bias", TypeFloat})
		s.Creators.Fields = []Field{{"verified", TypeBool}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// rankedSchema uses every part of profiles and cohorts.
func rankedSchema(t testing.TB) *Schema {
	s := Events()
	s.Name = "ranked"
	s.Items.Fields = append(s.Items.Fields, Field{"format", TypeKeyword}, Field{"free", TypeBool}, Field{"pages", TypeInt},
		Field{ExpiresField, TypeTime})
	s.Items.Embeddings = []Embedding{{"content", 384}}
	s.Users.Fields = append(s.Users.Fields, Field{"age", TypeInt})
	s.Profiles = []Profile{
		{
			Name: "morning", Version: 1,
			Candidates: []Source{
				{Kind: FromHead, Signal: "view", HalfLife: day, Limit: 500},
				{Kind: FromHead, Signal: "like"},
				{Kind: FromHead},
				{Kind: FromRising, Signal: "share"},
				{Kind: FromNewest, Limit: 200},
				{Kind: FromFollowed},
				{Kind: FromInterests},
				{Kind: FromCoEngaged},
				{Kind: FromSimilar, Limit: 10_000},
			},
			First: "score(view, 1d)",
			Score: []Step{
				{"shares", Add, "0.5 * velocity(share, 24h)"},
				{"freshness", Multiply, "1 / (1 + age / 24h)"},
			},
			Gates: []string{"total(view) >= 1", `category != "ads \ 'more'"`, "age < 7d\n\tOR total(like) > 3"},
			Diversity: Diversity{
				MaxPer:    []MaxPer{{"creator", 2}, {"tags", 5}},
				Shares:    []Share{{"category", 0.6}, {"free", 1}},
				AtLeast:   []AtLeast{{"format", "video", 3}, {"free", "true", 1}, {"pages", "-5", 1}, {"tags", "Élan", 1}},
				Relevance: 0.7, Embedding: "content",
			},
			Explore: []Slot{
				{"fresh", 0.1, PoolNew, 36 * time.Hour},
				{"strangers", 1e-7, PoolUnfollowed, 0},
				{"rest", 0.15, PoolCandidates, 0},
				{"any", 0.2, PoolAll, 0},
			},
		},
		{Name: "evening", Version: 7, Candidates: []Source{{Kind: FromAll}}, Gates: []string{"1"}},
		{Name: "morning", Version: 1<<32 - 1},
		{Name: "morning", Version: 2, Score: []Step{{"new", Add, "-age"}}},
	}
	s.Cohorts = []Cohort{{"us_young", `region = "US" AND age < 25`}, {"german", `language = "de"`}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBytesStayWhatTheyAre(t *testing.T) {
	for _, s := range []*Schema{MovieLens(), Events(), fullSchema(t), rankedSchema(t), policySchema(t)} {
		enc := s.Encode()
		golden(t, fmt.Sprintf("%s-%d.hex", s.Name, s.Version), fmt.Sprintf("hash %s\n%s", s.Hash(), hex.Dump(enc)))
		golden(t, fmt.Sprintf("%s-%d.yaml", s.Name, s.Version), string(s.YAML()))
	}
}

func TestASchemaWithoutProfilesAndCohortsHasTheOldFormat(t *testing.T) {
	s := Events()
	s.Profiles, s.Cohorts = []Profile{}, []Cohort{}
	if enc := s.Encode(); enc[4] != formatPlain || !bytes.Equal(enc, Events().Encode()) {
		t.Errorf("format %d", enc[4])
	}
	s.Cohorts = []Cohort{{"a", "b = 1"}}
	if enc := s.Encode(); enc[4] != formatRanked {
		t.Errorf("format %d", enc[4])
	}
}

// What was entered before a rule existed must stay readable.
func TestDecodeTakesWhatIsDangling(t *testing.T) {
	old := &Schema{Name: "old", Items: EntityType{Fields: []Field{{PublishedField, TypeText}, {ExpiresField, TypeInt}}}}
	cut := rankedSchema(t)
	cut.Signals, cut.Items.Embeddings = nil, nil
	for _, s := range []*Schema{old, cut} {
		back, err := Decode(s.Encode())
		if err != nil || !bytes.Equal(back.Encode(), s.Encode()) {
			t.Errorf("%s: %v", s.Name, err)
		}
		if err := s.Validate(); s == old && !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestDecodeTakesNoOtherBytes(t *testing.T) {
	accepted := 0
	check := func(b []byte) {
		t.Helper()
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		accepted++
		if !bytes.Equal(s.Encode(), b) {
			t.Fatalf("accepted bytes that aren't the encoding of what was decoded")
		}
	}
	for _, enc := range [][]byte{fullSchema(t).Encode(), rankedSchema(t).Encode()} {
		for i := range enc {
			check(enc[:i])
			for bit := range 8 {
				flipped := bytes.Clone(enc)
				flipped[i] ^= 1 << bit
				check(flipped)
			}
		}
		check(append(bytes.Clone(enc), 0))
	}
	if accepted == 0 {
		t.Error("no flipped bit gave another schema: the test tests nothing")
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	enc := (&Schema{Name: "a"}).Encode()
	at := func(i int, b ...byte) []byte {
		changed := bytes.Clone(enc)
		return append(append(changed[:i:i], b...), enc[i+1:]...)
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "damaged at offset 0: schema: magic is cut short"},
		{at(0, 'X'), `damaged at offset 4: schema: magic is not "TSCH"`},
		{at(4, 0), "damaged at offset 5: schema: format is 0"},
		{at(4, 2), "damaged at offset 36: schema: number of profiles is cut short or too long"},
		{at(4, 4), "decode schema of format 4: format is newer than this program"},
		{append(at(4, 3), 0, 0, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{append(at(4, 2), 0, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{at(5, 64), "damaged at offset 5: schema: length of name is 64, at most 63"},
		{at(6, 'A'), `damaged at offset 0: schema is not valid: refused: name: "A" is not a name; names are a ` +
			`lower-case letter, then letters, digits and underscores`},
		{at(7, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{at(7, 0x81, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{enc[:len(enc)-1], "damaged at offset 35: schema: number of embeddings is cut short or too long"},
		{append(bytes.Clone(enc), 7), "damaged at offset 36: schema: 1 bytes are left over"},
	} {
		if _, err := Decode(c.b); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestInvalidSchemasEncodeToBytesThatDecodeRefuses(t *testing.T) {
	for i, s := range []*Schema{
		{},
		{Name: "a", FutureBound: -1},
		{Name: "a", FutureBound: 1},
		{Name: "a", Signals: []SignalType{{Name: "v", HalfLives: []time.Duration{minHalfLife + 1}}}},
		{Name: "a", Signals: []SignalType{{Name: "v", HalfLives: []time.Duration{-minHalfLife}}}},
		{Name: "a", Signals: []SignalType{{Name: "v", Windows: []Window{1, 1}}}},
		{Name: "a", Items: EntityType{Embeddings: []Embedding{{"e", -1}}}},
		{Name: strings.Repeat("a", 1<<16)},
		{Name: "a", Profiles: []Profile{{Name: "p"}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1}, {Name: "p", Version: 1}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, Candidates: []Source{{Kind: FromNewest, Limit: -1}}}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, Diversity: Diversity{Relevance: math.NaN()}}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, Diversity: Diversity{MaxPer: []MaxPer{{"f", -1}}}}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, Explore: []Slot{{"s", math.Inf(1), PoolAll, 0}}}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, Explore: []Slot{{"s", 0.1, PoolNew, -1}}}}},
		{Name: "a", Profiles: []Profile{{Name: "p", Version: 1, First: strings.Repeat("x", MaxExpression+1)}}},
		{Name: "a", Cohorts: []Cohort{{"c", ""}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{Name: "p", Idle: -1}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{Name: "p", MaxDuration: 1}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{Name: "p", Rate: math.NaN()}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{Name: "p", Rate: 1, Burst: -1}}},
		{Name: "a", SessionPolicies: []SessionPolicy{{Name: "p", Types: []string{"a", "a"}}}},
	} {
		if _, err := Decode(s.Encode()); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("schema %d: %v", i, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&Schema{Name: "a"}).Encode())
	f.Add(MovieLens().Encode())
	f.Add(fullSchema(f).Encode())
	f.Add(rankedSchema(f).Encode())
	f.Add(policySchema(f).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatal("accepted bytes that aren't canonical")
		}
		if s.Clone().Validate() != nil {
			return // a profile names what isn't there, which Decode takes and ParseYAML doesn't
		}
		if back, err := ParseYAML("f", s.YAML()); err != nil || !bytes.Equal(back.Encode(), b) {
			t.Fatalf("YAML doesn't read back: %v", err)
		}
	})
}
