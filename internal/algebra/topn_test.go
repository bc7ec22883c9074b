package algebra

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// testRules are small enough that every condition bites, and the two that are stored.
func testRules() map[string]ListRule {
	return map[string]ListRule{
		"plain":               {N: 4},
		"plain, one":          {N: 1, Retention: 300},
		"plain, retained":     {N: 5, Retention: 200},
		"distinct":            {N: 4, Distinct: true},
		"distinct, one":       {N: 1, Distinct: true},
		"distinct, retained":  {N: 5, Distinct: true, Retention: 200},
		"distinct, a moment":  {N: 64, Distinct: true, Retention: 1},
		"plain, of a year":    {N: 64, Retention: listRetention},
		"recents":             KindRecents.List(),
		"engagers":            KindEngagers.List(),
		"engagers, long past": {N: 64, Distinct: true, Retention: 1<<63 - 1},
	}
}

func randomInteraction(rng *rand.Rand) Interaction {
	e := Interaction{
		Order: randomOrder(rng),
		ID:    "item-" + strconv.Itoa(rng.IntN(12)),
		Gen:   hlc.Timestamp(rng.Uint64() >> rng.IntN(64)),
		Type:  []string{"", "view", "like"}[rng.IntN(3)],
	}
	switch rng.IntN(24) {
	case 0: // an order that collides with others
		e.Order = Order{Time: 1_700_000_000_500, HLC: 1, Seq: 7}
	case 1:
		e.ID = strings.Repeat(e.ID, 512/len(e.ID))
	case 2:
		e.ID = string([]byte{6, 'i', 't', 'e', 'm', '-', '1', 4, 'v', 'i', 'e', 'w'}) // looks like another's bytes
	case 3:
		e.Type = strings.Repeat("x", 100+rng.IntN(156))
	}
	return e
}

func listKind(r ListRule) joinKind[TopN] {
	return joinKind[TopN]{
		update: func(rng *rand.Rand) TopN { return TopN{randomInteraction(rng)} },
		merge:  r.Merge, encode: TopN.AppendBinary, decode: r.Decode,
	}
}

func TestListsAreJoins(t *testing.T) {
	for name, rule := range testRules() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && rule.N == MaxList {
				t.Skip("long")
			}
			testJoin(t, listKind(rule))
		})
	}
}

// keep is the definition of a list, word by word.
func keep(r ListRule, set []Interaction) TopN {
	var out TopN
	for _, x := range set {
		higherIDs, falls := map[string]bool{}, slices.Contains(out, x)
		for i, y := range set {
			if y.Compare(x) > 0 {
				name := y.ID
				if !r.Distinct { // every different entry counts
					name = string(TopN{set[i]}.AppendBinary(nil))
				}
				higherIDs[name] = true
				falls = falls || r.Distinct && y.ID == x.ID
			}
			falls = falls || r.Retention > 0 && y.Time > x.Time && uint64(y.Time)-uint64(x.Time) > uint64(r.Retention)
		}
		if !falls && len(higherIDs) < r.N {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Interaction) int { return b.Compare(a) })
	return out
}

// TestListsHoldWhatTheDefinitionKeeps splits a set into parts at random, merges them in a random tree, and compares
// with the definition over the whole set, for the decoded and for the encoded form.
func TestListsHoldWhatTheDefinitionKeeps(t *testing.T) {
	rng := dice(t)
	for name, rule := range testRules() {
		t.Run(name, func(t *testing.T) {
			for range 150 {
				set := make([]Interaction, rng.IntN(20)+rng.IntN(2)*rng.IntN(110))
				for i := range set {
					set[i] = randomInteraction(rng)
				}
				want := keep(rule, set)
				parts := make([]TopN, 1+rng.IntN(5))
				encoded := []byte{}
				for _, i := range rng.Perm(len(set)) {
					for range 1 + rng.IntN(2) {
						part := &parts[rng.IntN(len(parts))]
						*part = rule.Insert(*part, set[i])
					}
					encoded = rule.InsertEncoded(nil, encoded, set[i])
				}
				for len(parts) > 1 {
					i := rng.IntN(len(parts) - 1)
					parts[i] = rule.Merge(parts[i], parts[i+1])
					parts = slices.Delete(parts, i+1, i+2)
				}
				if !parts[0].Equal(want) {
					t.Fatalf("got %d entries %+v\nwant %d entries %+v", len(parts[0]), parts[0], len(want), want)
				}
				if !bytes.Equal(encoded, want.AppendBinary(nil)) {
					t.Fatal("the encoded list differs from the definition")
				}
			}
		})
	}
}

// TestInsertEncodedEqualsInsert is about single steps, from any list.
func TestInsertEncodedEqualsInsert(t *testing.T) {
	rng := dice(t)
	for name, rule := range testRules() {
		t.Run(name, func(t *testing.T) {
			var list TopN
			for i := range 8000 {
				e := randomInteraction(rng)
				if len(list) > 0 && rng.IntN(3) == 0 {
					e = list[rng.IntN(len(list))] // again, or nearly
					switch rng.IntN(4) {
					case 0:
						e.Time++
					case 1:
						e.Seq++
					case 2:
						e.Gen ^= 1
					}
				}
				before := list.AppendBinary(nil)
				want := rule.Insert(list, e)
				got := rule.InsertEncoded([]byte("head"), before, e)
				if string(got) != "head"+string(want.AppendBinary(nil)) {
					back, err := rule.Decode(got[4:])
					t.Fatalf("step %d: %+v into %+v\ngives %+v (%v)\nwant %+v", i, e, list, back, err, want)
				}
				if !bytes.Equal(before, list.AppendBinary(nil)) {
					t.Fatal("Insert changed its input")
				}
				if list = want; rng.IntN(300) == 0 {
					list = nil
				}
			}
		})
	}
}

func TestInsertEncodedDoesNotAllocate(t *testing.T) {
	for _, kind := range []Kind{KindRecents, KindEngagers} {
		rule, list, e := fullList(kind)
		dst := make([]byte, 0, 2*len(list))
		if n := testing.AllocsPerRun(100, func() { dst = rule.InsertEncoded(dst[:0], list, e) }); n != 0 {
			t.Errorf("%v: %v allocations", kind, n)
		}
	}
}

func TestRuleOutOfRangePanics(t *testing.T) {
	for _, rule := range []ListRule{{}, {N: MaxList + 1}, {N: 1, Retention: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", rule)
				}
			}()
			rule.Insert(nil, Interaction{ID: "a", Order: Order{Seq: 1}})
		}()
	}
}

// fullList returns a full list and an entry that is newer than all.
func fullList(kind Kind) (ListRule, []byte, Interaction) {
	rule := kind.List()
	var list []byte
	entry := func(i int) Interaction {
		now := 1_700_000_000_000 + int64(i)*60_000
		return Interaction{
			Order: Order{now, hlc.Make(now+3, 1), id.Origin{Region: 1}, id.Seq(1_000_000 + i)},
			ID:    "item-" + strconv.Itoa(100_000+i*7919%900_000),
			Type:  "view",
		}
	}
	for i := range rule.N {
		list = rule.InsertEncoded(nil, list, entry(i))
	}
	return rule, list, entry(rule.N)
}

func FuzzDecodeList(f *testing.F) {
	for _, kind := range []Kind{KindRecents, KindEngagers} {
		_, list, _ := fullList(kind)
		f.Add(list)
		f.Add(list[:len(list)/64*3])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, rule := range []ListRule{KindRecents.List(), KindEngagers.List(), {N: 3, Retention: 5}} {
			checkDecoder(t, b, listKind(rule))
			if list, err := rule.Decode(b); err == nil {
				e := Interaction{Order: Order{Time: 5, Seq: 1}, ID: "fuzz"}
				if got := rule.InsertEncoded(nil, b, e); !bytes.Equal(got, rule.Insert(list, e).AppendBinary(nil)) {
					t.Fatalf("%x: encoded and decoded insertion differ", b)
				}
				x, changed, ok := rule.Edit(nil, make([]byte, ListNotes), b, &e)
				if ok && changed && !bytes.Equal(edited(b, &x), rule.InsertEncoded(nil, b, e)) ||
					ok && !changed && !bytes.Equal(b, rule.InsertEncoded(nil, b, e)) {
					t.Fatalf("%x: an edit differs from an insertion", b)
				}
			}
		}
	})
}

func BenchmarkInsertEncoded(b *testing.B) {
	for _, kind := range []Kind{KindRecents, KindEngagers} {
		rule, list, newest := fullList(kind)
		late := newest
		late.Time -= 30 * 60_000
		again, once := newest, newest
		decoded, err := rule.Decode(list)
		if err != nil {
			b.Fatal(err)
		}
		again.ID, once.ID = decoded[40].ID, decoded[0].ID
		for _, c := range []struct {
			name string
			e    Interaction
		}{{"newest", newest}, {"late", late}, {"newest of a known id", again}, {"the first again", once}} {
			b.Run(kind.String()+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				dst := make([]byte, 0, 2*len(list))
				for b.Loop() {
					dst = rule.InsertEncoded(dst[:0], list, c.e)
				}
			})
		}
		b.Run(kind.String()+"/decoding", func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				l, _ := rule.Decode(list)
				dst = rule.Insert(l, newest).AppendBinary(dst[:0])
			}
		})
	}
}
