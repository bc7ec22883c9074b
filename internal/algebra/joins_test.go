package algebra

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func registerKind() joinKind[LWWRegister] {
	return joinKind[LWWRegister]{
		update: func(rng *rand.Rand) LWWRegister {
			r := LWWRegister{Stamp: randomStamp(rng), Set: rng.IntN(3) > 0}
			if r.Set {
				r.Value = randomBytes(rng, 6)
			}
			return r
		},
		merge: LWWRegister.Merge, encode: LWWRegister.AppendBinary, decode: DecodeLWWRegister,
	}
}

func maxPairKind() joinKind[MaxPair] {
	return joinKind[MaxPair]{
		update: func(rng *rand.Rand) MaxPair {
			if rng.IntN(2) == 0 {
				return MaxPair{On: randomHLC(rng)}
			}
			return MaxPair{Off: randomHLC(rng)}
		},
		merge: MaxPair.Merge, encode: MaxPair.AppendBinary, decode: DecodeMaxPair,
	}
}

func pairMarksKind() joinKind[PairMarks] {
	return joinKind[PairMarks]{
		update: func(rng *rand.Rand) PairMarks {
			flag := Flag{randomStamp(rng), rng.IntN(2) == 0}
			switch rng.IntN(4) {
			case 0:
				return PairMarks{Seen: randomOrder(rng)}
			case 1:
				return PairMarks{Liked: flag}
			case 2:
				return PairMarks{Saved: flag}
			}
			return PairMarks{InProgress: flag}
		},
		merge: PairMarks.Merge, encode: PairMarks.AppendBinary, decode: DecodePairMarks,
	}
}

// counterKind makes snapshots of counters that five origins count up, as they would gossip them.
func counterKind() joinKind[PNCounter] {
	var own [nodes]PNCounter
	return joinKind[PNCounter]{
		update: func(rng *rand.Rand) PNCounter {
			at := rng.IntN(nodes)
			o := id.Origin{Region: id.Region(at)}
			if n := rng.Uint64() >> rng.IntN(64); rng.IntN(2) == 0 {
				own[at] = own[at].Add(o, n)
			} else {
				own[at] = own[at].Sub(o, n)
			}
			return own[at]
		},
		merge: PNCounter.Merge, encode: PNCounter.AppendBinary, decode: DecodePNCounter,
	}
}

func TestRegisterIsAJoin(t *testing.T)  { testJoin(t, registerKind()) }
func TestMaxPairIsAJoin(t *testing.T)   { testJoin(t, maxPairKind()) }
func TestPairMarksIsAJoin(t *testing.T) { testJoin(t, pairMarksKind()) }
func TestPNCounterIsAJoin(t *testing.T) { testJoin(t, counterKind()) }
func TestUndoneIsAJoin(t *testing.T) {
	testJoin(t, joinKind[Undone]{
		update: func(rng *rand.Rand) Undone { return Undone(1 + rng.IntN(4)) },
		merge:  Undone.Merge, encode: Undone.AppendBinary, decode: DecodeUndone,
	})
}

func TestRegisterKeepsTheLastWrite(t *testing.T) {
	at := func(wall int64, region id.Region) Stamp {
		return Stamp{hlc.Make(wall, 0), id.Origin{Region: region}}
	}
	set := func(s Stamp, v string) LWWRegister { return LWWRegister{Stamp: s, Set: true, Value: []byte(v)} }
	for _, c := range []struct {
		name       string
		low, above LWWRegister
	}{
		{"later time", set(at(1, 9), "z"), set(at(2, 0), "a")},
		{"same time, higher origin", set(at(1, 0), "z"), set(at(1, 1), "a")},
		{"a later clear", set(at(1, 0), "z"), LWWRegister{Stamp: at(2, 0)}},
		{"a later set", LWWRegister{Stamp: at(1, 0)}, set(at(2, 0), "")},
		{"same stamp, larger bytes", set(at(1, 0), "a"), set(at(1, 0), "b")},
		{"same stamp, set over cleared", LWWRegister{Stamp: at(1, 0)}, set(at(1, 0), "")},
	} {
		for _, got := range []LWWRegister{c.low.Merge(c.above), c.above.Merge(c.low)} {
			if got.compare(c.above) != 0 {
				t.Errorf("%s: got %+v, want %+v", c.name, got, c.above)
			}
		}
	}
	left := LWWRegister{Stamp: at(1, 0), Value: []byte("left over")}
	if got := left.Merge(LWWRegister{}); got.Value != nil {
		t.Errorf("a cleared register kept its value: %+v", got)
	}
}

// TestMaxPairEndsAsTheLatestTurn replays turns in order of their stamps; on a tie the one that turns on is the last.
func TestMaxPairEndsAsTheLatestTurn(t *testing.T) {
	rng := dice(t)
	for range 5000 {
		type turn struct {
			at hlc.Timestamp
			on bool
		}
		var turns []turn
		var pair MaxPair
		for range rng.IntN(8) {
			u := turn{hlc.Timestamp(1 + rng.IntN(6)), rng.IntN(2) == 0}
			turns = append(turns, u)
			if u.on {
				pair = pair.Merge(MaxPair{On: u.at})
			} else {
				pair = pair.Merge(MaxPair{Off: u.at})
			}
		}
		slices.SortFunc(turns, func(a, b turn) int {
			switch {
			case a.at != b.at:
				return int(a.at) - int(b.at)
			case a.on == b.on:
				return 0
			case a.on:
				return 1
			}
			return -1
		})
		want := len(turns) > 0 && turns[len(turns)-1].on
		if pair.Holds() != want {
			t.Fatalf("%v: holds %v, want %v", turns, pair.Holds(), want)
		}
	}
}

// TestHidesWinWhileConverging shows why a hide never leaks: any replica's partial view of a hide that no un-hide
// follows holds, whatever older un-hides it has heard of.
func TestHidesWinWhileConverging(t *testing.T) {
	hide := MaxPair{On: 10}
	for _, heard := range []MaxPair{{}, {Off: 9}, {On: 3, Off: 9}, {Off: 10}} {
		if !heard.Merge(hide).Holds() {
			t.Errorf("hidden at 10, heard of %+v: not hidden", heard)
		}
	}
	if (MaxPair{On: 10, Off: 11}).Holds() || (MaxPair{}).Holds() || (MaxPair{Off: 1}).Holds() {
		t.Error("holds without a hide that stands")
	}
}

func TestPNCounterIsTheSumOfAllCounts(t *testing.T) {
	rng := dice(t)
	for range 2000 {
		var (
			replica [nodes]PNCounter
			added   [nodes][2]big.Int
			limit   = new(big.Int).SetUint64(1<<64 - 1)
		)
		for range 1 + rng.IntN(30) {
			at, n, side := rng.IntN(nodes), rng.Uint64()>>rng.IntN(64), rng.IntN(2)
			o := id.Origin{Region: id.Region(at)}
			if side == 0 {
				replica[at] = replica[at].Add(o, n)
			} else {
				replica[at] = replica[at].Sub(o, n)
			}
			sum := &added[at][side]
			if sum.Add(sum, new(big.Int).SetUint64(n)); sum.Cmp(limit) > 0 {
				sum.Set(limit)
			}
			to := rng.IntN(nodes)
			replica[to] = replica[to].Merge(replica[at])
		}
		var all PNCounter
		want := new(big.Int)
		for i := range nodes {
			all = all.Merge(replica[i])
			want.Add(want, &added[i][0]).Sub(want, &added[i][1])
		}
		switch {
		case want.IsInt64():
		case want.Sign() > 0:
			want.SetInt64(1<<63 - 1)
		default:
			want.SetInt64(-1 << 63)
		}
		if all.Value() != want.Int64() {
			t.Fatalf("counter is %d, want %v", all.Value(), want)
		}
	}
}

// TestPNCounterOfFiveNodes: 100,000 counts on five nodes that gossip now and then, and in the end everybody has the sum.
func TestPNCounterOfFiveNodes(t *testing.T) {
	rng := dice(t)
	var replica [nodes]PNCounter
	want := int64(0)
	for range 100_000 {
		at, n := rng.IntN(nodes), rng.Uint64N(1000)
		o := id.Origin{Region: id.Region(at)}
		if rng.IntN(2) == 0 {
			replica[at] = replica[at].Add(o, n)
			want += int64(n)
		} else {
			replica[at] = replica[at].Sub(o, n)
			want -= int64(n)
		}
		if from, to := rng.IntN(nodes), rng.IntN(nodes); rng.IntN(3) == 0 {
			replica[to] = replica[to].Merge(replica[from])
		}
	}
	for range 2 {
		for _, to := range rng.Perm(nodes) {
			for _, from := range rng.Perm(nodes) {
				replica[to] = replica[to].Merge(replica[from])
			}
		}
	}
	for at, c := range replica {
		if c.Value() != want || !bytes.Equal(c.AppendBinary(nil), replica[0].AppendBinary(nil)) {
			t.Errorf("node %d counts %d, want %d", at, c.Value(), want)
		}
	}
}

func TestSeenBeforeTheEpochIsSeen(t *testing.T) {
	early := PairMarks{Seen: Order{Time: -5, Seq: 1}}
	for _, m := range []PairMarks{early.Merge(PairMarks{}), PairMarks{}.Merge(early)} {
		if m.Seen != early.Seen {
			t.Errorf("seen is %+v, want %+v", m.Seen, early.Seen)
		}
	}
}

func TestOrderAndStampAreTotal(t *testing.T) {
	rng := dice(t)
	for range 20_000 {
		a, b, c := randomOrder(rng), randomOrder(rng), randomOrder(rng)
		if rng.IntN(2) == 0 {
			b.Time, b.HLC = a.Time, a.HLC
			b.Origin = a.Origin
		}
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%+v and %+v: %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("not transitive: %+v, %+v, %+v", a, b, c)
		}
		s, u := Stamp{a.HLC, a.Origin}, Stamp{b.HLC, b.Origin}
		if s.Compare(u) != -u.Compare(s) || (s.Compare(u) == 0) != (s == u) || (Stamp{}).Compare(s) > 0 {
			t.Fatalf("%+v and %+v: %d and %d", s, u, s.Compare(u), u.Compare(s))
		}
	}
}
