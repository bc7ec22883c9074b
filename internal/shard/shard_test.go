package shard

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// drawRanges cuts all hashes into ranges, few shards having several.
func drawRanges(t *rapid.T) []Range {
	var list []Range
	from := uint64(0)
	for {
		to := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64(), rapid.Uint64Range(from, from+min(3, 1<<64-1-from))).Draw(t, "to")
		if to <= from {
			to = 0
		}
		list = append(list, Range{from, to, id.Shard(rapid.IntRange(0, 4).Draw(t, "shard"))})
		if to == 0 {
			return list
		}
		from = to
	}
}

// TestRangesCoverEveryHashOnce: whatever the ranges, and in whatever order they are given, each hash is in the shard of
// the one range that holds it, and the router says them again.
func TestRangesCoverEveryHashOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := drawRanges(t)
		r, err := Ranges(rapid.Permutation(ranges).Draw(t, "order"))
		if err != nil {
			t.Fatal(err)
		}
		hashes := []uint64{0, 1<<64 - 1, rapid.Uint64().Draw(t, "hash")}
		for _, x := range ranges {
			hashes = append(hashes, x.From, x.From-1, x.From+1)
		}
		for _, hash := range hashes {
			var in []id.Shard
			for _, x := range ranges {
				if x.From <= hash && (hash < x.To || x.To == 0) {
					in = append(in, x.Shard)
				}
			}
			got := id.Shard(0)
			if r.bounds != nil {
				got = r.of(hash)
			}
			if len(in) != 1 || got != in[0] {
				t.Fatalf("hash %016x is in %v by the ranges, in %d by the router %v", hash, in, got, r)
			}
		}
		again, err := Ranges(r.Ranges())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%v made again is %v (%v)", r, again, err)
		}
	})
}

// TestRangesWithGapsOrOverlapsAreRefused takes a range away, doubles one, moves an edge, or empties one.
func TestRangesWithGapsOrOverlapsAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := drawRanges(t)
		i := rapid.IntRange(0, len(ranges)-1).Draw(t, "which")
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			ranges = append(ranges[:i:i], ranges[i+1:]...)
		case 1:
			ranges = append(ranges, ranges[i])
		case 2:
			ranges[i].From++
			if ranges[i].From == ranges[i].To {
				ranges[i].From -= 2 // or else it would be empty
			}
		default:
			ranges[i] = Range{From: 5, To: 5}
		}
		if r, err := Ranges(ranges); !errors.Is(err, fault.ErrInput) {
			t.Fatalf("%v is taken: %v, %v", ranges, r, err)
		}
	})
}

func TestHashIsEqualRanges(t *testing.T) {
	for _, n := range []int{0, -1, MaxShards + 1} {
		if _, err := Hash(n); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%d shards: %v", n, err)
		}
	}
	for _, n := range []int{1, 2, 3, 7, 64, MaxShards} {
		r, err := Hash(n)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Ranges(r.Ranges())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%d shards aren't their ranges: %v", n, err)
		}
		if got := r.Shards(); len(got) != n || got[n-1] != id.Shard(n-1) {
			t.Errorf("%d shards are %d", n, len(got))
		}
		least, most := uint64(1<<64-1), uint64(0)
		for _, x := range r.Ranges() {
			least, most = min(least, x.To-x.From), max(most, x.To-x.From)
		}
		if n > 1 && most-least > 1 {
			t.Errorf("%d shards have %d to %d hashes", n, least, most)
		}
	}
}

// TestIDsSpread: of many ids that look alike each shard gets about as many, kinds apart.
func TestIDsSpread(t *testing.T) {
	r, err := Hash(8)
	if err != nil {
		t.Fatal(err)
	}
	var count [8]int
	same := 0
	for i := range 8000 {
		name := fmt.Sprintf("item-%06d", i)
		at := r.Shard(id.KindItem, name)
		count[at]++
		if at == r.Shard(id.KindUser, name) {
			same++
		}
		if Single().Shard(id.KindItem, name) != 0 {
			t.Fatal("one shard has another number than 0")
		}
	}
	for shard, n := range count {
		if n < 850 || n > 1150 {
			t.Errorf("shard %d has %d of 8000", shard, n)
		}
	}
	if same < 850 || same > 1150 {
		t.Errorf("%d of 8000 items and users of one name share their shard", same)
	}
}

// TestRoutersArePinned: where an id is filed never changes.
func TestRoutersArePinned(t *testing.T) {
	r, err := Hash(1000)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(r.Shard(id.KindItem, "i"), r.Shard(id.KindUser, "u-17"), r.Shard(id.KindCreator, ""))
	if want := pinned; got != want {
		t.Errorf("filed in %s, want %s", got, want)
	}
	four, err := Hash(4)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := four.String()+" and "+Single().String(), "0@0 1@4000000000000000 2@8000000000000000 3@c000000000000000 and 0@0"; got != want {
		t.Errorf("routers are %s, want %s", got, want)
	}
}

// pinned is where three ids are among 1,000 shards.
const pinned = "483 864 846"
