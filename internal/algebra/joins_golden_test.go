package algebra

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// TestGoldenJoins holds the bytes of every join, as hexadecimal text, and that they still decode.
func TestGoldenJoins(t *testing.T) {
	path := filepath.Join("testdata", "joins.golden")
	got := goldenJoins(t)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("bytes changed; stored state would be misread. Got\n%s\nwant\n%s", got, want)
	}
}

func goldenJoins(t *testing.T) string {
	var out strings.Builder
	now := hlc.Make(1_700_000_000_123, 4)
	here, there := id.Origin{Region: 1, Shard: 300}, id.Origin{Region: 2, Incarnation: 70_000}
	line := func(name string, b []byte, err error) {
		if err != nil {
			t.Errorf("%s doesn't decode: %v", name, err)
		}
		fmt.Fprintf(&out, "%s: %x\n", name, b)
	}
	for _, r := range []LWWRegister{
		{}, {Stamp: Stamp{HLC: 1}}, {Stamp: Stamp{now, here}, Set: true}, {Stamp{now, there}, true, []byte("value")},
	} {
		b := r.AppendBinary(nil)
		_, err := DecodeLWWRegister(b)
		line("register", b, err)
	}
	for _, p := range []MaxPair{{}, {On: 1}, {On: now, Off: now - 1}} {
		b := p.AppendBinary(nil)
		_, err := DecodeMaxPair(b)
		line("max pair", b, err)
	}
	counter := PNCounter{}.Add(there, 1000).Sub(here, 1).Add(here, 2)
	_, err := DecodePNCounter(counter.AppendBinary(nil))
	line("counter", counter.AppendBinary(nil), err)
	order := Order{Time: 1_700_000_000_000, HLC: now, Origin: here, Seq: 9}
	for _, m := range []PairMarks{
		{Seen: order},
		{Liked: Flag{Stamp{now, here}, true}, InProgress: Flag{Stamp{now, there}, false}},
		{Order{-1, 5, there, 1}, Flag{Stamp{1, here}, false}, Flag{Stamp{2, here}, true}, Flag{Stamp{3, here}, true}},
	} {
		b := m.AppendBinary(nil)
		_, err := DecodePairMarks(b)
		line("pair marks", b, err)
	}
	var list TopN
	for i, e := range []Interaction{
		{Order: order, ID: "item", Type: "view"},
		{Order: Order{-5, 0, here, 1}, ID: "old", Gen: now, Type: ""},
		{Order: Order{1_700_000_000_001, now, there, 1 << 40}, ID: strings.Repeat("long", 40), Gen: 7, Type: "like"},
	} {
		list = ListRule{N: 64, Distinct: i > 0}.Insert(list, e)
	}
	_, err = ListRule{N: 3}.Decode(list.AppendBinary(nil))
	line("list", list.AppendBinary(nil), err)
	e := Entity{}.ApplyDelete(Stamp{now - 2, here})
	e = e.ApplyPut(Stamp{now, here}, []Change{{"a", []byte("1")}, {"b", []byte{}}})
	e = e.ApplyPatch(Stamp{now + 1, there}, []Change{{"b", nil}})
	e = e.ApplyPatch(Stamp{now + 2, here}, []Change{{"c", []byte("2")}})
	_, err = DecodeEntity(e.AppendBinary(nil))
	line("entity", e.AppendBinary(nil), err)
	rng := rand.New(rand.NewPCG(6, 6))
	var h HLL
	for n, next := range []int{1, 20, 2000} {
		for range next {
			h.Add(rng.Uint64())
		}
		b := h.AppendBinary(nil)
		_, _, err := DecodeHLL(b)
		line(fmt.Sprintf("unique %d, estimate %d", n, h.Estimate()), b, err)
	}
	var b RangeBuilder
	for _, f := range []RangeEntry{{"x", KindUndone, []byte{1}}, {"level", KindFormatLevel, []byte{2}}} {
		if err := b.Fold(f.Key, f.Kind, f.Value); err != nil {
			t.Fatal(err)
		}
	}
	r := b.Finish(there, 5, 1000)
	_, err = DecodeRange(r.AppendBinary(nil))
	line("range", r.AppendBinary(nil), err)
	for _, text := range goldenSessions(t) {
		fmt.Fprintln(&out, text)
	}
	return out.String()
}
