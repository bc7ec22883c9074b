package schema

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestEveryAdditionExtends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent := drawSchema(t)
		if parent.Version == math.MaxUint32 {
			parent.Version = 7
		}
		if err := parent.Validate(); err != nil {
			t.Fatal(err)
		}
		before := parent.Encode()
		changed := false
		next, err := parent.Extend(func(s *Schema) {
			drawAddition(t, s)
			s.normalise()
			changed = !sameContent(s, parent)
			s.Version, s.Parent = 99, Hash{9} // has no effect
		})
		if !bytes.Equal(before, parent.Encode()) {
			t.Fatal("Extend changed its receiver")
		}
		if !changed {
			if !errors.Is(err, fault.ErrInput) {
				t.Fatalf("a change without an addition: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if next.Version != parent.Version+1 || next.Parent != parent.Hash() {
			t.Fatalf("version %d with parent %s", next.Version, next.Parent)
		}
		if err := Extends(parent, next); err != nil {
			t.Fatal(err)
		}
		if err := Extends(next, parent); !errors.Is(err, fault.ErrSchema) {
			t.Fatalf("the way back is an extension: %v", err)
		}
	})
}

func TestEverythingElseIsNamedWithBothValues(t *testing.T) {
	parent := fullSchema(t)
	for _, c := range []struct {
		want   string
		change func(s *Schema)
	}{
		{"name: was movielens, would be films", func(s *Schema) { s.Name = "films" }},
		{"future_bound: was 2s, would be 3s", func(s *Schema) { s.FutureBound = 3 * time.Second }},
		{"signals.hide: was there, would be gone", func(s *Schema) { s.Signals = s.Signals[:4] }},
		{"signals.rating: was number 0, would be number 1; additions go to the end", func(s *Schema) {
			s.Signals = slices.Insert(s.Signals, 0, SignalType{Name: "first"})
		}},
		{"signals.rating.half_lives: was [7d], would be [30d]", func(s *Schema) {
			s.Signals[0].HalfLives = []time.Duration{30 * day}
		}},
		{"signals.rating.windows: was [1h, 24h, 7d, 30d], would be [1h, 24h, 7d, all]", func(s *Schema) {
			s.Signals[0].Windows[3] = WindowAll
		}},
		{"signals.rating.unique_users: was true, would be false", func(s *Schema) { s.Signals[0].UniqueUsers = false }},
		{"signals.rating.permanent: was false, would be true", func(s *Schema) { s.Signals[0].Permanent = true }},
		{"signals.rating.velocity: was false, would be true", func(s *Schema) { s.Signals[0].Velocity = true }},
		{"signals.rating.meaning: was positive, would be negative", func(s *Schema) { s.Signals[0].Meaning = Negative }},
		{"signals.rating.seen: was true, would be false", func(s *Schema) { s.Signals[0].Seen = false }},
		{"signals.like.sets: was [liked], would be [liked, saved]", func(s *Schema) {
			s.Signals[1].Sets = []Mark{Liked, Saved}
		}},
		{"signals.dislike.clears: was [liked], would be []", func(s *Schema) { s.Signals[2].Clears = nil }},
		{"items.fields.title: was text, would be keyword", func(s *Schema) { s.Items.Fields[0].Type = TypeKeyword }},
		{"creators.fields.verified: was there, would be gone", func(s *Schema) { s.Creators.Fields = nil }},
		{"users.fields.age: was number 0, would be number 1; additions go to the end", func(s *Schema) {
			s.Users.Fields[0], s.Users.Fields[1] = s.Users.Fields[1], s.Users.Fields[0]
		}},
		{"items.embeddings.content: was 384, would be 768", func(s *Schema) { s.Items.Embeddings[0].Dimensions = 768 }},
		{"items.embeddings.cover: was there, would be gone", func(s *Schema) {
			s.Items.Embeddings = s.Items.Embeddings[:1]
		}},
	} {
		_, err := parent.Extend(c.change)
		if !errors.Is(err, fault.ErrSchema) || !strings.Contains(err.Error(), "schema is not compatible: "+c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestExtendRefusesWhatIsNotValid(t *testing.T) {
	_, err := MovieLens().Extend(func(s *Schema) { s.Signals = append(s.Signals, SignalType{Name: "like"}) })
	if want := `refused: signals[3].name: "like" is the name of signals[1], too`; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	last := &Schema{Name: "a", Version: math.MaxUint32, Parent: Hash{1}}
	if _, err := last.Extend(func(s *Schema) { s.Signals = []SignalType{{Name: "v"}} }); !errors.Is(err, fault.ErrInput) {
		t.Errorf("got %v", err)
	}
}
