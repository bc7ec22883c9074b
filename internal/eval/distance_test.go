package eval

import (
	"math"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Items are compared by the first of embedding, attributes and users that at least half of them have; each distance is
// computed by hand.
func TestDistancesOfHandMadeItems(t *testing.T) {
	item := func(id string, f tidal.Fields) tidal.Entity { return tidal.Entity{Kind: tidal.Item, ID: id, Fields: f} }
	s := &schema.Schema{Items: schema.EntityType{
		Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText},
			{Name: "creator", Type: schema.TypeKeyword},
			{Name: "url", Type: schema.TypeKeyword},
			{Name: "genres", Type: schema.TypeTags},
		},
		Embeddings: []schema.Embedding{{Name: "rare", Dimensions: 1}, {Name: "content", Dimensions: 2}},
	}}
	training := &Training{
		Items: []string{"a", "b", "c", "d"}, Served: []bool{true, true, true, true},
		History: [][]Visit{{{Item: 0}, {Item: 1}, {Item: 0}}, {{Item: 0}}, {{Item: 0}, {Item: 1}}, {{Item: 0}, {Item: 2}}},
	}
	words := func(creator string, tags ...string) tidal.Fields {
		return tidal.Fields{"creator": schema.String(creator), "genres": schema.Tags(tags), "url": schema.String(creator + tags[0])}
	}
	vector := func(v ...float32) tidal.Fields { return tidal.Fields{"content": schema.Vector(v)} }
	for _, c := range []struct {
		by       string
		entities []tidal.Entity
		ab, ac   float64
		cd       float64
	}{
		// a is met by four users, b by two of them: 2/√8; c by one: 1/√4; nobody meets d.
		{"users who met them", nil, 1 - 2/math.Sqrt(8), 0.5, 1},
		// a and b share creator and one genre of three values in all; d has nothing.
		{"creator, genres", []tidal.Entity{
			item("a", words("x", "jazz", "soul")), item("b", words("x", "jazz")), item("c", words("y", "folk")),
			item("unserved", words("x", "jazz")),
		}, 1 - 2.0/3, 1, 1},
		// Vectors of any length: a right angle, half of one, and an item without one.
		{"embedding content", []tidal.Entity{
			item("a", vector(2, 0)), item("b", vector(0, 9)), item("c", vector(3, 3)),
			item("d", tidal.Fields{"rare": schema.Vector([]float32{1})}),
		}, 1, 1 - math.Sqrt(0.5), 1},
		// A quarter of the items is too little to compare by.
		{"users who met them", []tidal.Entity{item("a", vector(2, 0)), item("b", vector(0, 0))}, 1 - 2/math.Sqrt(8), 0.5, 1},
	} {
		x := newDistance(&Data{Log: &Log{Schema: s, Entities: c.entities}}, training)
		if x.by != c.by {
			t.Errorf("by %q, want %q", x.by, c.by)
		}
		for _, p := range []struct {
			a, b uint32
			want float64
		}{{0, 1, c.ab}, {1, 0, c.ab}, {0, 2, c.ac}, {2, 3, c.cd}} {
			for range 2 { // computed, and remembered
				if got := x.of(p.a, p.b); math.Abs(got-p.want) > 1e-6 {
					t.Errorf("by %s, %d and %d are %v apart, want %v", c.by, p.a, p.b, got, p.want)
				}
			}
		}
		mean, ok := x.within([]uint32{0, 1, 2})
		if want := (c.ab + c.ac + x.of(1, 2)) / 3; !ok || math.Abs(mean-want) > 1e-6 {
			t.Errorf("by %s, the list is %v apart, want %v", c.by, mean, want)
		}
		if _, ok := x.within([]uint32{0}); ok {
			t.Error("a list of one item has a distance")
		}
	}
}
