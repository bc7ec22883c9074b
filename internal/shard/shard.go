// Package shard says which shard an entity is filed in.
//
//	router := shard.Single()
//	at := router.Shard(id.KindUser, "u-17")
//
// A [Router] is a value: it covers every id with exactly one shard, and never changes. A database has one shard for now,
// and [Single] is the router that it uses. The package moves nothing from one shard to another, and knows no nodes.
package shard

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// MaxShards is the number of shards that a router has at most.
const MaxShards = 1 << 16

// Router files ids by a hash of 64 bits: XXH3 of the id, seeded with the entity's kind. A shard has one or several
// stretches of hashes, so what the application's ids look like doesn't matter, and a shard that is cut in two is cut in the
// middle of what it holds.
//
// The zero value is [Single].
type Router struct {
	bounds []bound // by end; nil is one shard with the number 0
}

// bound is a stretch of hashes that ends with last, itself included; it begins behind the one before.
type bound struct {
	last  uint64
	shard id.Shard
}

// Single returns the router of one shard, number 0.
func Single() Router { return Router{} }

// Hash returns the router of n shards, 1 to [MaxShards], numbered from 0, each with an equal part of all hashes, in order.
func Hash(n int) (Router, error) {
	if n < 1 || n > MaxShards {
		return Router{}, fault.Refuse("shards", "are %d; there are 1 to %d", n, MaxShards)
	}
	if n == 1 {
		return Single(), nil
	}
	r := Router{bounds: make([]bound, n)}
	for i := range n {
		r.bounds[i] = bound{last: cut(i+1, n) - 1, shard: id.Shard(i)}
	}
	return r, nil
}

// cut returns ⌊2⁶⁴·i/n⌋, modulo 2⁶⁴.
func cut(i, n int) uint64 {
	if i == n {
		return 0
	}
	q, _ := bits.Div64(uint64(i), 0, uint64(n))
	return q
}

// Range gives the hashes from From to To, To itself not included, to a shard. A To of 0 stands for the end, 2⁶⁴.
type Range struct {
	From, To uint64
	Shard    id.Shard
}

// Ranges returns the router of the given ranges, in any order. Together they must cover every hash once: a range that is
// empty, a gap or an overlap is refused, and said where it is. A shard may have several.
func Ranges(ranges []Range) (Router, error) {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int {
		switch {
		case a.From < b.From:
			return -1
		case a.From > b.From:
			return 1
		}
		return 0
	})
	r, next := Router{}, uint64(0)
	for i, x := range sorted {
		switch ended := i > 0 && next == 0; {
		case x.To != 0 && x.To <= x.From:
			return Router{}, fault.Refuse("ranges", "hold one from %016x to %016x, which is empty", x.From, x.To)
		case ended || x.From < next:
			return Router{}, fault.Refuse("ranges", "overlap at %016x", x.From)
		case x.From > next:
			return Router{}, fault.Refuse("ranges", "leave out what lies between %016x and %016x", next, x.From)
		}
		next = x.To
		// Neighbours of one shard are one stretch, so that equal routers are equal.
		if n := len(r.bounds); n > 0 && r.bounds[n-1].shard == x.Shard {
			r.bounds[n-1].last = x.To - 1
			continue
		}
		r.bounds = append(r.bounds, bound{last: x.To - 1, shard: x.Shard})
	}
	if len(sorted) == 0 || next != 0 {
		return Router{}, fault.Refuse("ranges", "leave out what lies behind %016x", next)
	}
	if len(r.bounds) == 1 && r.bounds[0].shard == 0 {
		return Single(), nil
	}
	return r, nil
}

// Shard returns the shard of an entity.
func (r Router) Shard(kind id.Kind, name string) id.Shard {
	if r.bounds == nil {
		return 0
	}
	return r.of(xxh3.HashStringSeed(name, uint64(kind)))
}

func (r Router) of(hash uint64) id.Shard {
	i, _ := slices.BinarySearchFunc(r.bounds, hash, func(b bound, hash uint64) int {
		switch {
		case b.last < hash:
			return -1
		case b.last > hash:
			return 1
		}
		return 0
	})
	return r.bounds[i].shard
}

// Shards returns the numbers of the shards, rising.
func (r Router) Shards() []id.Shard {
	if r.bounds == nil {
		return []id.Shard{0}
	}
	list := make([]id.Shard, len(r.bounds))
	for i, b := range r.bounds {
		list[i] = b.shard
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Ranges returns what [Ranges] makes the router of again, in order.
func (r Router) Ranges() []Range {
	if r.bounds == nil {
		return []Range{{}}
	}
	list, from := make([]Range, len(r.bounds)), uint64(0)
	for i, b := range r.bounds {
		list[i] = Range{From: from, To: b.last + 1, Shard: b.shard}
		from = b.last + 1
	}
	return list
}

// String prints the shards with where each stretch begins, in hexadecimal digits.
func (r Router) String() string {
	var b strings.Builder
	for i, x := range r.Ranges() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(int(x.Shard)) + "@" + strconv.FormatUint(x.From, 16))
	}
	return b.String()
}
