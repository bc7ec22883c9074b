package algebra

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/testseed"
)

// nodes is how many replicas gossip in the convergence tests.
const nodes = 5

// dice returns the test's random source. It prints the seed, and takes it from TIDAL_SEED.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 0))
}

// joinKind is one type under the laws: how to make an update, and how its values merge and travel.
type joinKind[T any] struct {
	update func(*rand.Rand) T // what one event makes of nothing
	merge  func(T, T) T
	encode func(T, []byte) []byte
	decode func([]byte) (T, error)
}

// testJoin holds a type to the laws of a join, on values of up to a dozen updates, and to those of its encoding.
func testJoin[T any](t *testing.T, k joinKind[T]) {
	rng := dice(t)
	value := func() T {
		var v T
		for range rng.IntN(13) {
			v = k.merge(v, k.update(rng))
		}
		return v
	}
	enc := func(v T) string { return string(k.encode(v, nil)) }
	same := func(law string, x, y T) {
		t.Helper()
		if enc(x) != enc(y) {
			t.Fatalf("%s: %+v and %+v", law, x, y)
		}
	}
	for range 3000 {
		a, b, c := value(), value(), value()
		before := enc(a) + "|" + enc(b) + "|" + enc(c)
		var none T
		same("a∨b = b∨a", k.merge(a, b), k.merge(b, a))
		same("(a∨b)∨c = a∨(b∨c)", k.merge(k.merge(a, b), c), k.merge(a, k.merge(b, c)))
		same("a∨a = a", k.merge(a, a), a)
		same("a∨0 = a", k.merge(a, none), a)
		same("0∨a = a", k.merge(none, a), a)
		same("(a∨b)∨a = a∨b", k.merge(k.merge(a, b), a), k.merge(a, b))
		if enc(a)+"|"+enc(b)+"|"+enc(c) != before {
			t.Fatal("a merge changed its input")
		}
		back, err := k.decode([]byte(enc(a)))
		if err != nil {
			t.Fatalf("decode of %+v: %v", a, err)
		}
		same("decode(encode(a)) = a", back, a)
		if got := k.encode(a, []byte("prefix")); string(got) != "prefix"+enc(a) {
			t.Fatal("encoding doesn't append")
		}
	}
	if enc(*new(T)) != "" {
		t.Fatalf("the identity is encoded as %x", enc(*new(T)))
	}
	testConvergence(t, rng, k)
	testDamage(t, rng, k, value)
}

// testConvergence spreads updates over five nodes that gossip encoded states at random, losing and repeating some,
// until each has heard of all; every node must end with the bytes of the plain fold.
func testConvergence[T any](t *testing.T, rng *rand.Rand, k joinKind[T]) {
	t.Helper()
	const rounds, updates = 60, 250
	for range rounds {
		var state [nodes]T
		var fold T
		for range updates {
			u := k.update(rng)
			fold = k.merge(fold, u)
			for copies := 1 + rng.IntN(3); copies > 0; copies-- {
				at := rng.IntN(nodes)
				state[at] = k.merge(state[at], u)
			}
			if rng.IntN(4) == 0 {
				from, to := rng.IntN(nodes), rng.IntN(nodes)
				sent, err := k.decode(k.encode(state[from], nil))
				if err != nil {
					t.Fatalf("decode of a gossiped state: %v", err)
				}
				state[to] = k.merge(state[to], sent)
			}
		}
		for _, at := range rng.Perm(nodes) { // everyone hears of everything, each in its own order
			for _, from := range rng.Perm(nodes) {
				state[at] = k.merge(state[at], state[from])
			}
		}
		for _, at := range rng.Perm(nodes) {
			for _, from := range rng.Perm(nodes) {
				state[at] = k.merge(state[at], state[from])
			}
			if !bytes.Equal(k.encode(state[at], nil), k.encode(fold, nil)) {
				t.Fatalf("node %d has %+v, the fold is %+v", at, state[at], fold)
			}
		}
	}
}

// testDamage changes encodings at random: what is still accepted must be canonical, the rest is refused as damage.
func testDamage[T any](t *testing.T, rng *rand.Rand, k joinKind[T], value func() T) {
	t.Helper()
	for range 20_000 {
		b := k.encode(value(), nil)
		if len(b) == 0 {
			continue
		}
		switch i := rng.IntN(len(b)); rng.IntN(4) {
		case 0:
			b = b[:i]
		case 1:
			b[i] ^= 1 << rng.IntN(8)
		case 2:
			b = append(b, byte(rng.IntN(256)))
		default:
			b[i] = byte(rng.IntN(256))
		}
		checkDecoder(t, b, k)
	}
}

// checkDecoder holds a decoder to its promise on any bytes.
func checkDecoder[T any](t *testing.T, b []byte, k joinKind[T]) {
	t.Helper()
	input := bytes.Clone(b)
	v, err := k.decode(b)
	if !bytes.Equal(b, input) {
		t.Fatal("the decoder changed its input")
	}
	if err != nil {
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("%x is refused with %v, which isn't damage", b, err)
		}
		return
	}
	if again := k.encode(v, nil); !bytes.Equal(again, b) {
		t.Fatalf("%x was accepted but encodes as %x", b, again)
	}
	if merged := k.encode(k.merge(v, v), nil); !bytes.Equal(merged, b) {
		t.Fatalf("%x was accepted but merges with itself to %x", b, merged)
	}
}

func randomOrigin(rng *rand.Rand) id.Origin {
	o := id.Origin{Region: id.Region(rng.IntN(nodes))}
	if rng.IntN(8) == 0 {
		o.Shard, o.Incarnation = id.Shard(rng.IntN(1<<16)), id.Incarnation(rng.Uint32())
	}
	return o
}

// randomHLC collides often, and is sometimes extreme.
func randomHLC(rng *rand.Rand) hlc.Timestamp {
	switch rng.IntN(16) {
	case 0:
		return hlc.Timestamp(rng.Uint64())
	case 1:
		return 1<<64 - 1
	}
	return hlc.Make(1_700_000_000_000+int64(rng.IntN(40)), uint16(rng.IntN(3)))
}

func randomStamp(rng *rand.Rand) Stamp { return Stamp{randomHLC(rng) | 1, randomOrigin(rng)} }

// randomTime is within days of an instant, before 1970, or extreme.
func randomTime(rng *rand.Rand) int64 {
	switch rng.IntN(32) {
	case 0:
		return int64(rng.Uint64())
	case 1:
		return -1 << 63
	case 2:
		return 1<<63 - 1
	case 3:
		return -rng.Int64N(1e9)
	}
	return 1_700_000_000_000 + rng.Int64N(1000)
}

func randomOrder(rng *rand.Rand) Order {
	return Order{randomTime(rng), randomHLC(rng), randomOrigin(rng), 1 + id.Seq(rng.Uint64()>>(1+rng.IntN(63)))}
}

func randomBytes(rng *rand.Rand, limit int) []byte {
	b := make([]byte, rng.IntN(limit))
	for i := range b {
		b[i] = "\x00a\x80\xff"[rng.IntN(4)]
	}
	return b
}
