package rank

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tidaldb/tidal/schema"
)

func mustCompile(t testing.TB, s *schema.Schema, name string, params Params) *Program {
	t.Helper()
	p, err := Lookup(s, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := Compile(p, s, params)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// plausible is a value that a feature may have, by a number in [0, 1).
func plausible(f Feature, u float64) float64 {
	switch f.Kind {
	case FeatureScore, FeatureSum:
		return 1000 * u * u
	case FeatureTotal, FeatureCount, FeatureUnique:
		return math.Floor(10000 * u * u * u)
	case FeatureAge:
		return 90 * 86400 * u * u
	case FeatureNow:
		return 1.7e9 + math.Floor(1e8*u)
	case FeatureField:
		return 2000*u - 1000
	case FeatureHas, FeatureIs, FeatureFollows, FeatureSeen, FeatureMark, FeatureKnown:
		return math.Floor(2 * u)
	case FeatureAffinity:
		return 40*u - 20
	case FeatureInterest, FeatureSimilar:
		return 2*u - 1
	}
	return u
}

// fixture is a schema in which each feature is kept by some type and not by another.
func fixture() *schema.Schema {
	const day = 24 * time.Hour
	windows := []schema.Window{schema.Window1h, schema.Window24h, schema.Window7d, schema.WindowAll}
	return &schema.Schema{
		Name: "fixture", Version: 1,
		Signals: []schema.SignalType{
			{
				Name: "view", HalfLives: []time.Duration{day, 7 * day}, Windows: windows, UniqueUsers: true,
				Meaning: schema.Positive, Seen: true,
			},
			{Name: "like", HalfLives: []time.Duration{30 * day}, Windows: windows, Meaning: schema.Positive},
			{Name: "share", Windows: windows, Meaning: schema.Positive},
			{Name: "skip", HalfLives: []time.Duration{day}, Meaning: schema.Negative, Seen: true},
			{Name: "hide", Meaning: schema.HardNegative},
			{Name: "tip", Permanent: true, Meaning: schema.Positive},
			{Name: "start"},
		},
		Items: schema.EntityType{
			Fields: []schema.Field{
				{Name: "title", Type: schema.TypeText},
				{Name: "creator", Type: schema.TypeKeyword},
				{Name: "category", Type: schema.TypeKeyword},
				{Name: "tags", Type: schema.TypeTags},
				{Name: "price", Type: schema.TypeFloat},
				{Name: "stock", Type: schema.TypeInt},
				{Name: "free", Type: schema.TypeBool},
				{Name: "released", Type: schema.TypeTime},
				{Name: "place", Type: schema.TypeGeo},
			},
			Embeddings: []schema.Embedding{{Name: "content", Dimensions: 4}},
		},
	}
}

// compileOne compiles an expression as the only step of a profile.
func compileOne(s *schema.Schema, src string, params Params) (*Program, error) {
	return Compile(profile("p", nil, add("x", src)), s, params)
}

// refusal is the refusal of an expression that an error holds, nil if it holds none.
func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// fataler is a test of either kind.
type fataler interface{ Fatalf(string, ...any) }
