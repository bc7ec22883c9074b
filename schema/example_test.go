package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// Most programs keep the schema in a file.
func ExampleParseYAML() {
	s, err := schema.ParseYAML("schema.yaml", []byte(`
name: video
signals:
  view: {half_lives: [6h, 7d], windows: [1h, 24h, 7d], velocity: true, meaning: positive, seen: true}
  hide: {meaning: hard_negative}
items:
  fields: {title: text, creator: keyword, tags: tags}
  embeddings: {content: 384}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, view, _ := s.Signal("view")
	fmt.Println(view.HalfLives, view.Windows)
	// Output: [6h0m0s 168h0m0s] [1h 24h 7d]
}

// What's wrong in a file is said with its place.
func ExampleParseYAML_errors() {
	_, err := schema.ParseYAML("schema.yaml", []byte(`
name: video
signals:
  view:
    half_life: 7
    windws: [1h]
`))
	fmt.Println(err)
	// Output:
	// schema.yaml:5:16: refused: signals[0].half_life: is the number 7; expected a whole number with a unit (w, d, h, m, s, ms), such as 7d, 36h or 30m
	// schema.yaml:6:5: refused: signals[0].windws: is no key of the schema language (did you mean "windows"?); the keys here are name, half_life, half_lives, permanent, windows, velocity, unique_users, meaning, seen, sets, clears
}

// A schema in Go is a struct.
func ExampleSchema() {
	s := &schema.Schema{
		Name: "shop",
		Signals: []schema.SignalType{
			{Name: "view", HalfLives: []time.Duration{24 * time.Hour}, Windows: []schema.Window{schema.Window24h}},
			{Name: "save", Meaning: schema.Positive, Sets: []schema.Mark{schema.Saved}},
			{Name: "unsave", Clears: []schema.Mark{schema.Saved}},
		},
		Items: schema.EntityType{
			Fields:     []schema.Field{{Name: "price", Type: schema.TypeFloat}},
			Embeddings: []schema.Embedding{{Name: "picture", Dimensions: 512}},
		},
	}
	if err := s.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", s.YAML())
	// Output:
	// name: shop
	// version: 1
	// future_bound: 2s
	// signals:
	//   view:
	//     half_life: 1d
	//     windows: [24h]
	//   save:
	//     meaning: positive
	//     sets: [saved]
	//   unsave:
	//     clears: [saved]
	// items:
	//   fields:
	//     price: float
	//   embeddings:
	//     picture: 512
}

// The next version adds to the last one; anything else is refused by name.
func ExampleSchema_Extend() {
	first := schema.MovieLens()
	second, err := first.Extend(func(s *schema.Schema) {
		s.Signals = append(s.Signals, schema.SignalType{Name: "trailer", Windows: []schema.Window{schema.Window24h}})
	})
	fmt.Println(second.Version, second.Parent == first.Hash(), err)

	_, err = first.Extend(func(s *schema.Schema) { s.Signals[0].Meaning = schema.Negative })
	fmt.Println(err)
	// Output:
	// 2 true <nil>
	// extend schema: schema is not compatible: signals.rating.meaning: was positive, would be negative
}

// A profile is a way to rank. What ranks differently is another version.
func ExampleProfile() {
	first := schema.Events()
	second, err := first.Extend(func(s *schema.Schema) {
		s.Profiles = append(s.Profiles, schema.Profile{
			Name: "morning", Version: 1,
			Candidates: []schema.Source{{Kind: schema.FromHead, Signal: "view"}, {Kind: schema.FromNewest, Limit: 200}},
			Score: []schema.Step{
				{Name: "views", Op: schema.Add, Expr: "score(view, 1d)"},
				{Name: "freshness", Op: schema.Multiply, Expr: "1 / (1 + age / 24h)"},
			},
			Diversity: schema.Diversity{MaxPer: []schema.MaxPer{{Field: "creator", N: 2}}},
		})
	})
	fmt.Println(len(second.Profiles), err)

	_, err = second.Extend(func(s *schema.Schema) { s.Profiles[0].Diversity.MaxPer[0].N = 3 })
	fmt.Println(err)

	_, err = second.Extend(func(s *schema.Schema) {
		next := s.Profiles[0]
		next.Version = 2
		next.Diversity.MaxPer = []schema.MaxPer{{Field: "author", N: 3}}
		s.Profiles = append(s.Profiles, next)
	})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// extend schema: schema is not compatible: profiles.morning.1.diversity.max_per[0]: was creator: 2, would be creator: 3
	// extend schema: refused: profiles[1].diversity.max_per[0]: "author" is no field of items
}

// Values are checked against the field that they are meant for.
func ExampleField_Check() {
	price := schema.Field{Name: "price", Type: schema.TypeFloat}
	fmt.Println(price.Check(schema.Float(9.5)))

	err := price.Check(schema.String("9.5"))
	fmt.Println(err, errors.Is(err, fault.ErrInput))
	// Output:
	// <nil>
	// refused: fields.price: is a string; the field takes float true
}

func ExampleValue() {
	fields := map[string]schema.Value{
		"title":     schema.String("Low tide"),
		"published": schema.Time(1714564800000),
		"tags":      schema.Tags([]string{"sea", "moon", "sea"}),
	}
	text, err := json.Marshal(fields)
	fmt.Println(string(text), err)
	// Output: {"published":{"time":"2024-05-01T12:00:00Z"},"tags":["moon","sea"],"title":"Low tide"} <nil>
}
