package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

// drawBranches draws a valid base and n additions to it, some of which may be the base itself.
func drawBranches(t *rapid.T, n int) (base *Schema, branches []*Schema) {
	base = drawSchema(t)
	if base.Version == 1<<32-1 {
		base.Version = 7
	}
	if err := base.Validate(); err != nil {
		t.Fatal(err)
	}
	for len(branches) < n {
		next, err := base.Extend(func(s *Schema) { drawAddition(t, s) })
		if err != nil { // nothing was added
			next = base
		}
		branches = append(branches, next)
	}
	return base, branches
}

func mustUnion(t *rapid.T, base, a, b *Schema) *Schema {
	t.Helper()
	u, err := Union(base, a, b)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnionIsTheSameFromBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, b := drawBranches(t, 2)
		before := bytes.Join([][]byte{base.Encode(), b[0].Encode(), b[1].Encode()}, nil)
		u, v := mustUnion(t, base, b[0], b[1]), mustUnion(t, base, b[1], b[0])
		if !bytes.Equal(u.Encode(), v.Encode()) {
			t.Fatalf("order matters:\n%s\n%s", u.YAML(), v.YAML())
		}
		if !bytes.Equal(before, bytes.Join([][]byte{base.Encode(), b[0].Encode(), b[1].Encode()}, nil)) {
			t.Fatal("Union changed its input")
		}
		if err := Extends(base, u); err != nil {
			t.Fatal(err)
		}
		if err := u.checkForm(); err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(u.Encode()); err != nil || !bytes.Equal(back.Encode(), u.Encode()) {
			t.Fatalf("doesn't decode: %v", err)
		}
	})
}

func TestUnionOfSeveralHasOneContentInEveryOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, b := drawBranches(t, 4)
		fold := func(order []int) []byte {
			u := b[order[0]]
			for _, i := range order[1:] {
				u = mustUnion(t, base, u, b[i])
			}
			return u.content()
		}
		first := fold([]int{0, 1, 2, 3})
		if other := fold(rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "order")); !bytes.Equal(first, other) {
			t.Fatal("content depends on the order")
		}
		pairs := mustUnion(t, base, mustUnion(t, base, b[3], b[1]), mustUnion(t, base, b[0], b[2]))
		if !bytes.Equal(first, pairs.content()) {
			t.Fatal("content depends on the grouping")
		}
	})
}

func TestUnionLosesNothingThatFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, b := drawBranches(t, 2)
		u := mustUnion(t, base, b[0], b[1])
		for _, from := range b {
			for _, s := range from.Signals {
				_, got, ok := u.Signal(s.Name)
				if !ok {
					t.Fatalf("signal %s is gone", s.Name)
				}
				if bytes.Equal(effects(s), effects(*got)) {
					if n := len(uniteSets(got.Windows, s.Windows)); n != len(got.Windows) {
						t.Fatalf("windows of %s are gone", s.Name)
					}
					if s.UniqueUsers && !got.UniqueUsers {
						t.Fatalf("unique users of %s are gone", s.Name)
					}
					if n := len(uniteSets(got.HalfLives, s.HalfLives)); n != len(got.HalfLives) && len(got.HalfLives) < 3 {
						t.Fatalf("half-lives of %s are gone", s.Name)
					}
				}
			}
			for i := range from.Profiles {
				p := &from.Profiles[i]
				got, ok := u.Profile(p.Name, p.Version)
				if !ok || bytes.Compare(got.append(nil), p.append(nil)) < 0 {
					t.Fatalf("of %s %d there is %v", p.Name, p.Version, got)
				}
			}
			for _, c := range from.Cohorts {
				if got, ok := u.Cohort(c.Name); !ok || bytes.Compare(got.append(nil), c.append(nil)) < 0 {
					t.Fatalf("of %s there is %v", c.Name, got)
				}
			}
			for _, f := range from.Items.Fields {
				if got, ok := u.Items.Field(f.Name); !ok || got.Type < f.Type {
					t.Fatalf("field %s is %v", f.Name, got)
				}
			}
		}
	})
}

func TestUnionRepeatsHarmlessly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, b := drawBranches(t, 2)
		u := mustUnion(t, base, b[0], b[1])
		if v := mustUnion(t, base, u, u); !bytes.Equal(v.Encode(), u.Encode()) {
			t.Fatal("a schema united with itself is another")
		}
		if v := mustUnion(t, base, base, u); !bytes.Equal(v.Encode(), u.Encode()) {
			t.Fatal("a schema united with its base is another")
		}
		if v := mustUnion(t, base, u, b[0]); !bytes.Equal(v.content(), u.content()) {
			t.Fatal("a part changed the whole")
		}
	})
}

// Each case adds two things to one base; the answer is what the union holds of them.
func TestUnionDecides(t *testing.T) {
	base := MovieLens()
	extend := func(change func(*Schema)) *Schema {
		t.Helper()
		s, err := base.Extend(change)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	half := func(s *Schema, name string, lives ...time.Duration) {
		_, typ, _ := s.Signal(name)
		typ.HalfLives = append(typ.HalfLives, lives...)
	}
	add := func(s *Schema, types ...SignalType) { s.Signals = append(s.Signals, types...) }
	for _, c := range []struct {
		what string
		a, b func(*Schema)
		want string
	}{
		{
			"names follow the base in order",
			func(s *Schema) { add(s, SignalType{Name: "z"}, SignalType{Name: "m"}) },
			func(s *Schema) { add(s, SignalType{Name: "q"}, SignalType{Name: "a"}) },
			"rating like dislike a m q z",
		},
		{
			"half-lives of the base stay, then the shortest",
			func(s *Schema) { half(s, "rating", 2*day, 3*day) },
			func(s *Schema) { half(s, "rating", time.Hour, 4*day) },
			"rating[1h, 2d, 7d] like dislike",
		},
		{
			"equal effects unite",
			func(s *Schema) {
				add(s, SignalType{Name: "v", HalfLives: []time.Duration{day, 5 * day}, Windows: []Window{Window1h}})
			},
			func(s *Schema) {
				add(s, SignalType{Name: "v", HalfLives: []time.Duration{2 * day, 4 * day}, UniqueUsers: true})
			},
			"rating like dislike v[1d, 2d, 4d]",
		},
		{
			"of different effects the larger rule alone",
			func(s *Schema) { add(s, SignalType{Name: "v", HalfLives: []time.Duration{day}, Meaning: Negative}) },
			func(s *Schema) {
				add(s, SignalType{Name: "v", HalfLives: []time.Duration{2 * day}, Meaning: Positive}, SignalType{Name: "w"})
			},
			"rating like dislike v[1d] w",
		},
		{
			"field over slot, the larger type, the larger slot",
			func(s *Schema) {
				s.Items.Fields = append(s.Items.Fields, Field{"x", TypeInt}, Field{"y", TypeTags})
				s.Items.Embeddings = append(s.Items.Embeddings, Embedding{"e", 8})
			},
			func(s *Schema) {
				s.Items.Fields = append(s.Items.Fields, Field{"y", TypeInt})
				s.Items.Embeddings = append(s.Items.Embeddings, Embedding{"e", 9}, Embedding{"x", 4})
			},
			"rating like dislike x:int y:tags e:9",
		},
	} {
		u, err := Union(base, extend(c.a), extend(c.b))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if got := sketch(base, u); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
		if ha, hb := extend(c.a).Hash(), extend(c.b).Hash(); u.Version != 3 || u.Parent != ha && u.Parent != hb ||
			bytes.Compare(u.Parent[:], ha[:]) > 0 || bytes.Compare(u.Parent[:], hb[:]) > 0 {
			t.Errorf("%s: version %d, parent %s", c.what, u.Version, u.Parent)
		}
	}
}

// sketch prints the names of s, with what base hasn't.
func sketch(base, s *Schema) string {
	var words []string
	for _, typ := range s.Signals {
		word := typ.Name
		if _, old, ok := base.Signal(typ.Name); len(typ.HalfLives) > 0 && (!ok || len(old.HalfLives) != len(typ.HalfLives)) {
			word += list(typ.HalfLives, FormatDuration)
		}
		words = append(words, word)
	}
	for _, f := range s.Items.Fields[len(base.Items.Fields):] {
		words = append(words, f.Name+":"+f.Type.String())
	}
	for _, m := range s.Items.Embeddings[len(base.Items.Embeddings):] {
		words = append(words, fmt.Sprintf("%s:%d", m.Name, m.Dimensions))
	}
	return strings.Join(words, " ")
}

func TestUnionHoldsTheLimits(t *testing.T) {
	base := MovieLens()
	branch := func(prefix string) *Schema {
		s, err := base.Extend(func(s *Schema) {
			for i := range 40 {
				s.Signals = append(s.Signals, SignalType{Name: fmt.Sprintf("%s%02d", prefix, i)})
			}
			for i := range 200 {
				s.Items.Fields = append(s.Items.Fields, Field{fmt.Sprintf("%s%03d", prefix, i), TypeInt})
			}
			for i := range 6 {
				s.Users.Embeddings = append(s.Users.Embeddings, Embedding{fmt.Sprintf("%s%d", prefix, i), 2})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	u, err := Union(base, branch("b"), branch("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(u.Signals), len(u.Items.Fields), len(u.Users.Embeddings)); got != "64 256 8" {
		t.Errorf("got %s", got)
	}
	if last := u.Signals[63].Name; last != "b20" {
		t.Errorf("the last signal is %s", last)
	}
}

func TestUnionNeedsTheBase(t *testing.T) {
	if _, err := Union(MovieLens(), MovieLens(), Events()); !errors.Is(err, fault.ErrSchema) {
		t.Errorf("got %v", err)
	}
	if _, err := Union(MovieLens(), Events(), MovieLens()); !errors.Is(err, fault.ErrSchema) {
		t.Errorf("got %v", err)
	}
}
