package store_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
)

// seeds returns n seeds to run, or the one of TIDAL_SEED.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("TIDAL_SEED: %v", err)
		}
		return []uint64{v}
	}
	if testing.Short() {
		n = max(n/4, 2)
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i) + 1
	}
	return out
}

// replay is what to say when a seed fails.
func replay(t *testing.T, seed uint64) string {
	return fmt.Sprintf("replay: TIDAL_SEED=%d go test ./internal/store -run '^%s$'", seed, strings.Split(t.Name(), "/")[0])
}

// event is one effect of something that happened: a value to merge, or a generation to raise.
type event struct {
	key   store.Key
	value []byte
	raise bool
}

const hour = 3600 * 1000

// events makes n random effects of all kinds. Some are the same records again and again, some come under generations
// that begin and end.
func events(rng *rand.Rand, n int) []event {
	out := make([]event, n)
	for i := range out {
		out[i] = randomEvent(rng, id.Seq(i+1))
	}
	return out
}

func randomEvent(rng *rand.Rand, seq id.Seq) event {
	name := func(words ...string) string { return words[rng.IntN(len(words))] }
	owner := func(letter string) string {
		if rng.IntN(8) == 0 {
			return letter + "\x00" + strings.Repeat("x", rng.IntN(3)) // ids may hold anything
		}
		return letter + strconv.Itoa(rng.IntN(6))
	}
	origin := id.Origin{Region: id.Region(rng.IntN(3)), Incarnation: id.Incarnation(rng.IntN(2))}
	stamp := algebra.Stamp{HLC: hlc.Make(1_000_000+rng.Int64N(1000), uint16(seq)), Origin: origin}
	order := algebra.Order{Time: rng.Int64N(60 * 24 * hour), HLC: stamp.HLC, Origin: origin, Seq: seq}
	var gen hlc.Timestamp
	if rng.IntN(3) > 0 {
		gen = hlc.Timestamp(rng.IntN(3)) * 1000
	}
	item := store.Key{OwnerKind: id.KindItem, Owner: owner("i"), Gen: gen}
	user := store.Key{OwnerKind: id.KindUser, Owner: owner("u"), Gen: gen}
	under := func(k store.Key, kind algebra.Kind, sub string) store.Key {
		k.Kind, k.Sub = kind, sub
		return k
	}
	switch n := rng.IntN(100); {
	case n < 35:
		return event{key: under(item, algebra.KindCell, name("view", "like")), value: randomCell(rng, order.Time, true)}
	case n < 42:
		return event{key: under(item, algebra.KindCohortCell, "\x01cview"), value: randomCell(rng, order.Time, false)}
	case n < 49:
		return event{key: under(user, algebra.KindCreatorCell, "\x01cview"), value: randomCell(rng, order.Time, false)}
	case n < 58:
		list := algebra.KindRecents.List().Insert(nil, algebra.Interaction{Order: order, ID: owner("i"), Type: "view"})
		return event{key: under(user, algebra.KindRecents, ""), value: list.AppendBinary(nil)}
	case n < 66:
		list := algebra.KindEngagers.List().Insert(nil, algebra.Interaction{Order: order, ID: owner("u"), Type: "view"})
		return event{key: under(item, algebra.KindEngagers, ""), value: list.AppendBinary(nil)}
	case n < 74:
		m := algebra.PairMarks{Seen: order, Liked: algebra.Flag{Stamp: stamp, On: rng.IntN(2) == 0}}
		return event{key: under(user, algebra.KindPairMarks, owner("i")), value: m.AppendBinary(nil)}
	case n < 78:
		return event{key: under(user, algebra.KindSession, name("\x00", "\x07")), value: randomSession(rng, stamp)}
	case n < 82:
		p := algebra.MaxPair{On: stamp.HLC}
		if rng.IntN(2) == 0 {
			p = algebra.MaxPair{Off: stamp.HLC}
		}
		return event{key: under(user, algebra.KindRelation, "\x01"+owner("i")), value: p.AppendBinary(nil)}
	case n < 90:
		e := algebra.Entity{}.ApplyPatch(stamp, []algebra.Change{{Name: name("a", "b"), Value: []byte(name("x", "y"))}})
		if rng.IntN(4) == 0 {
			e = algebra.Entity{}.ApplyDelete(stamp)
		}
		k := store.Key{OwnerKind: id.KindItem, Owner: item.Owner, Kind: algebra.KindEntity}
		return event{key: k, value: e.AppendBinary(nil)}
	case n < 93:
		k := store.Key{Owner: string(binary.BigEndian.AppendUint64(nil, origin.Packed())), Kind: algebra.KindUndone}
		k.Sub = string(binary.BigEndian.AppendUint16(nil, uint16(rng.IntN(9))))
		return event{key: k, value: []byte{1}}
	case n < 95:
		return event{key: store.Key{Owner: "level", Kind: algebra.KindFormatLevel}, value: []byte{byte(1 + rng.IntN(9))}}
	case n < 97:
		text := name("one schema", "another")
		return event{key: store.Key{Owner: "schema", Kind: algebra.KindSchemaVersion, Sub: text[:3]}, value: []byte(text)}
	}
	return event{key: []store.Key{item, user}[rng.IntN(2)], raise: true}
}

// randomSession is one effect on a session, or on another one that had the same place.
func randomSession(rng *rand.Rand, stamp algebra.Stamp) []byte {
	s := algebra.Session{SessionKey: algebra.SessionKey{Opened: 1 + rng.Int64N(3), ID: "s" + strconv.Itoa(rng.IntN(2))}}
	switch rng.IntN(4) {
	case 0:
		s.Begin = algebra.SessionBegin{Stamp: stamp, Agent: "helper", Idle: rng.Int64N(9), Taste: []byte{1, 2}}
	case 1:
		s.End = algebra.SessionEnd{Stamp: stamp, At: 1 + rng.Int64N(9)}
	default:
		s.Signals = []algebra.SessionCount{{Type: "view", N: 1 + rng.Int64N(3)}}
		s.Refused = s.Refused.Add(stamp.Origin, rng.Uint64N(5))
		s.Last = rng.Int64N(hour)
	}
	return s.AppendBinary(nil)
}

func randomCell(rng *rand.Rand, at int64, unique bool) []byte {
	shape := algebra.Shape{HalfLives: []int64{6 * hour, 24 * hour}, Buckets: true, Unique: unique}
	shape.Permanent = rng.IntN(2) == 0
	var c algebra.SignalState
	w := fixed.Weight(1 + rng.Int64N(1<<30))
	if rng.IntN(6) == 0 {
		c.Subtract(shape, at, w)
		return c.AppendBinary(nil)
	}
	c.Add(shape, at, w)
	if unique {
		c.AddUnique(rng.Uint64())
	}
	return c.AppendBinary(nil)
}

// add puts an event into a batch.
func (e event) add(b *store.Batch) {
	if e.raise {
		b.Raise(e.key.OwnerKind, e.key.Owner, e.key.Gen)
		return
	}
	b.Merge(e.key, e.value)
}

// model is the dumb twin: every record ever merged, in a map.
type model struct {
	values map[store.Key][]byte
	gens   map[store.Key]hlc.Timestamp // by owner
	locals map[string]string
}

func newModel() *model {
	return &model{map[store.Key][]byte{}, map[store.Key]hlc.Timestamp{}, map[string]string{}}
}

func (m *model) clone() *model {
	out := newModel()
	for k, v := range m.values {
		out.values[k] = v
	}
	for k, v := range m.gens {
		out.gens[k] = v
	}
	for k, v := range m.locals {
		out.locals[k] = v
	}
	return out
}

func ownerOf(k store.Key) store.Key { return store.Key{OwnerKind: k.OwnerKind, Owner: k.Owner} }

func (m *model) apply(t *testing.T, e event) {
	t.Helper()
	m.gens[ownerOf(e.key)] = max(m.gens[ownerOf(e.key)], e.key.Gen)
	if e.raise {
		return
	}
	v, err := algebra.Merge(e.key.Kind, nil, m.values[e.key], e.value)
	if err != nil {
		t.Fatal(err)
	}
	m.values[e.key] = v
}

// lines describes every record that counts, in the order in which a store walks them.
func (m *model) lines() []string {
	type line struct {
		key  store.Key
		text string
	}
	var all []line
	for k, v := range m.values {
		gen := m.gens[ownerOf(k)]
		if len(v) > 0 && (k.Kind == algebra.KindEntity || k.Gen == gen) {
			all = append(all, line{k, describe(store.Record{Key: k, Generation: gen, Value: v})})
		}
	}
	for owner, gen := range m.gens {
		if gen == 0 {
			continue
		}
		owner.Kind = algebra.KindGeneration
		rec := store.Record{Key: owner, Generation: gen, Value: binary.AppendUvarint(nil, uint64(gen))}
		all = append(all, line{owner, describe(rec)})
	}
	rank := func(k algebra.Kind) int {
		switch k {
		case algebra.KindGeneration:
			return -2
		case algebra.KindEntity:
			return -1
		}
		return int(k)
	}
	slices.SortFunc(all, func(a, b line) int {
		x, y := a.key, b.key
		return cmp.Or(cmp.Compare(x.OwnerKind, y.OwnerKind), cmp.Compare(x.Owner, y.Owner),
			cmp.Compare(rank(x.Kind), rank(y.Kind)), cmp.Compare(x.Sub, y.Sub))
	})
	var out []string
	for _, l := range all {
		out = append(out, l.text)
	}
	var names []string
	for k, v := range m.locals {
		names = append(names, fmt.Sprintf("local %q = %q", k, v))
	}
	slices.Sort(names)
	return append(out, names...)
}

func describe(r store.Record) string {
	return fmt.Sprintf("%v (%d) = %x", r.Key, r.Generation, r.Value)
}

// contents describes what a store holds as the model does.
func contents(t *testing.T, s *store.Store) []string {
	t.Helper()
	var out []string
	for rec, err := range s.Records() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, describe(rec))
	}
	locals, failed := s.Locals()
	for k, v := range locals {
		out = append(out, fmt.Sprintf("local %q = %q", k, v))
	}
	if err := failed(); err != nil {
		t.Fatal(err)
	}
	return out
}

// difference is the first line in which two descriptions differ, "" for none.
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "lacks " + want[i]
		case i >= len(want):
			return "has " + got[i]
		case got[i] != want[i]:
			return "has " + got[i] + ", not " + want[i]
		}
	}
	return ""
}

// digest loads a store into a table, as a start does, and hashes that.
func digest(t testing.TB, s *store.Store) state.Digest {
	t.Helper()
	table := state.New()
	for rec, err := range s.Records() {
		if err != nil {
			t.Fatal(err)
		}
		load(table, rec)
	}
	return table.Digest()
}

func load(table *state.Table, rec store.Record) {
	n := table.Owner(rec.OwnerKind, rec.Owner)
	if rec.Kind == algebra.KindGeneration {
		table.Raise(rec.OwnerKind, n, rec.Generation)
		return
	}
	table.Put(state.Key{Kind: rec.Kind, Owner: rec.OwnerKind, Ord: n, Sub: rec.Sub}, bytes.Clone(rec.Value))
}

// metaAt is the meta of entry n in these tests: everything in it follows from n.
func metaAt(n uint64) store.Meta {
	return store.Meta{
		Applied: n, Term: 1 + n/10, Incarnation: id.Incarnation(n / 50),
		Vector:        id.VersionVector{}.With(id.Origin{Region: 3}, id.Seq(n)),
		Configuration: fmt.Appendf(nil, "voters of %d", n/20),
	}
}

func sameMeta(a, b store.Meta) bool {
	return a.Applied == b.Applied && a.Term == b.Term && a.Incarnation == b.Incarnation && a.Vector.Equal(b.Vector) &&
		bytes.Equal(a.Configuration, b.Configuration)
}

var whose = store.Identity{Cluster: [16]byte{1, 2, 3}, Tenant: "t", Region: 3, Shard: 4}
