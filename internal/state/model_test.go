package state

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

var update = flag.Bool("update", false, "rewrite golden files")

// model is what a table should hold, in maps.
type model struct {
	owners map[owner]*modelOwner
	order  []owner // as they were made
	next   [id.Kinds + 1]Ord
	gone   [id.Kinds + 1][]Ord // ordinals of the evicted
}

type owner struct {
	kind id.Kind
	name string
}

type modelOwner struct {
	ord     Ord
	gen     hlc.Timestamp
	records map[recordName]string
}

type recordName struct {
	kind algebra.Kind
	sub  string
}

func newModel() *model { return &model{owners: map[owner]*modelOwner{}} }

func (m *model) owner(kind id.Kind, name string) *modelOwner {
	o, ok := m.owners[owner{kind, name}]
	if !ok {
		o = &modelOwner{ord: m.next[kind], records: map[recordName]string{}}
		if last := len(m.gone[kind]) - 1; last >= 0 {
			o.ord, m.gone[kind] = m.gone[kind][last], m.gone[kind][:last]
		} else {
			m.next[kind]++
		}
		m.owners[owner{kind, name}] = o
		m.order = append(m.order, owner{kind, name})
	}
	return o
}

func (m *model) evict(name owner) {
	m.gone[name.kind] = append(m.gone[name.kind], m.owners[name].ord)
	delete(m.owners, name)
	m.order = slices.DeleteFunc(m.order, func(o owner) bool { return o == name })
}

func (m *model) count(kind algebra.Kind) (n int) {
	for _, o := range m.owners {
		for r := range o.records {
			if r.kind == kind {
				n++
			}
		}
	}
	return n
}

// raise drops what the new generation drops: everything but the entity record.
func (o *modelOwner) raise(gen hlc.Timestamp) bool {
	if gen > o.gen {
		o.gen = gen
		for r := range o.records {
			if r.kind != algebra.KindEntity {
				delete(o.records, r)
			}
		}
	}
	return gen == o.gen
}

// digest computes [Table.Digest] from its definition: the sum of the hashes of all records, bucket by bucket.
func (m *model) digest() Digest {
	var sums [Buckets][4]uint64
	for name, o := range m.owners {
		bucket := uint32(xxh3.HashString(name.name)) % Buckets
		prefix := binary.AppendUvarint([]byte{byte(name.kind)}, uint64(len(name.name)))
		prefix = binary.BigEndian.AppendUint64(append(prefix, name.name...), uint64(o.gen))
		if o.gen != 0 {
			addHash(&sums[bucket], append(slices.Clone(prefix), byte(algebra.KindGeneration)), "")
		}
		for r, v := range o.records {
			key := append(append(slices.Clone(prefix), byte(r.kind)), r.sub...)
			addHash(&sums[bucket], key, v)
		}
	}
	var all []byte
	for _, s := range sums {
		for _, lane := range s {
			all = binary.LittleEndian.AppendUint64(all, lane)
		}
	}
	return blake3.Sum256(all)
}

// digestCells computes [Table.DigestCells] from its definition.
func (m *model) digestCells() Digest {
	var sum [4]uint64
	for name, o := range m.owners {
		for r, v := range o.records {
			if r.kind > algebra.KindCreatorCell {
				continue
			}
			key := binary.AppendUvarint([]byte{byte(name.kind), byte(r.kind)}, uint64(len(name.name)))
			addHash(&sum, append(append(key, name.name...), r.sub...), v)
		}
	}
	var all []byte
	for _, lane := range sum {
		all = binary.LittleEndian.AppendUint64(all, lane)
	}
	return blake3.Sum256(all)
}

func addHash(sum *[4]uint64, key []byte, value string) {
	b := append(binary.AppendUvarint(nil, uint64(len(key))), key...)
	h := blake3.Sum256(append(b, value...))
	for i := range sum {
		sum[i] += binary.LittleEndian.Uint64(h[8*i:])
	}
}

// compare finds the first difference between the table and the model, through every way to read a table.
func (m *model) compare(t *Table) error {
	for name, o := range m.owners {
		n, ok := t.Find(name.kind, name.name)
		if !ok || n != o.ord || !t.Live(name.kind, n) || t.Name(name.kind, n) != name.name ||
			t.Generation(name.kind, n) != o.gen || t.GenerationOf(name.kind, name.name) != o.gen {
			return fmt.Errorf("%v %q: found %v as %d, generation %v; want %d, %v",
				name.kind, name.name, ok, n, t.Generation(name.kind, o.ord), o.ord, o.gen)
		}
		for r, want := range o.records {
			if got, ok := t.Get(Key{r.kind, name.kind, n, r.sub}); !ok || string(got) != want {
				return fmt.Errorf("%v %q: %v %q: %v, %d bytes; want %d",
					name.kind, name.name, r.kind, r.sub, ok, len(got), len(want))
			}
		}
		walked := 0
		for k, v := range t.All(name.kind, n) {
			if want, ok := o.records[recordName{k.Kind, k.Sub}]; !ok || want != string(v) || k.Ord != n {
				return fmt.Errorf("%v %q: a walk meets %v", name.kind, name.name, k)
			}
			walked++
		}
		if walked != len(o.records) {
			return fmt.Errorf("%v %q: a walk meets %d records of %d", name.kind, name.name, walked, len(o.records))
		}
	}
	for kind := range id.Kind(id.Kinds + 1) {
		if got := t.Owners(kind); got != m.next[kind] {
			return fmt.Errorf("%d owners of kind %v, want %d", got, kind, m.next[kind])
		}
		for _, n := range m.gone[kind] {
			if t.Live(kind, n) || t.Name(kind, n) != "" || t.OwnerBytes(kind, n) != 0 || t.Generation(kind, n) != 0 {
				return fmt.Errorf("%v %d is gone and alive", kind, n)
			}
		}
	}
	for kind := algebra.Kind(1); kind <= algebra.Kinds; kind++ {
		if got, want := t.Count(kind), m.count(kind); got != want {
			return fmt.Errorf("%d records of kind %v, want %d", got, kind, want)
		}
	}
	return m.compareMemory(t)
}

// compareMemory checks that the books balance: what arenas have handed out is what owners and records hold.
func (m *model) compareMemory(t *Table) error {
	var held [id.Kinds + 1]int64
	for name, o := range m.owners {
		held[name.kind] += int64(t.OwnerBytes(name.kind, o.ord))
	}
	for kind := range t.owners {
		os := &t.owners[kind]
		if got := os.arena.live + os.arena.largeBytes; got != held[kind] {
			return fmt.Errorf("arena %d counts %d living bytes, owners and records hold %d", kind, got, held[kind])
		}
		if err := os.check(); err != nil {
			return fmt.Errorf("kind %d: %w", kind, err)
		}
	}
	return nil
}

// check looks at every block from the arena's side: its owner refers to it, segments know what lives in them, and every
// owner is in the index.
func (os *owners) check() error {
	owned, live := map[handle]Ord{}, 0
	for n := range os.top {
		if os.slot(n).head == 0 {
			continue
		}
		live++
		os.blocks(n, func(h handle) { owned[h] = n })
	}
	entries := 0
	for i := range os.byID.small {
		entries += int(os.byID.small[i].count)
	}
	if entries != live {
		return fmt.Errorf("the index has %d entries for %d owners", entries, live)
	}
	held, alive := int64(0), int64(0)
	for number := range os.arena.segments {
		s := &os.arena.segments[number]
		held += int64(len(s.mem))
		found := uint32(0)
		for at := uint32(unit); at < s.used; {
			b := s.mem[at:]
			word := binary.LittleEndian.Uint32(b)
			size := word &^ (unit - 1)
			at += size
			if word&deadBit != 0 {
				continue
			}
			found += size
			h := handle(number*segmentUnits + int(at-size)/unit)
			if n, ok := owned[h]; !ok || n != Ord(binary.LittleEndian.Uint32(b[4:])) || usedOf(b) > int(size) {
				return fmt.Errorf("block %d of %d bytes, %d used, is owned by %d: %v", h, size, usedOf(b), n, ok)
			}
		}
		if found != s.live {
			return fmt.Errorf("segment %d counts %d living bytes, has %d", number, s.live, found)
		}
		alive += int64(found)
	}
	if held != os.arena.held || alive != os.arena.live {
		return fmt.Errorf("arena counts %d bytes, %d of them alive; has %d, %d",
			os.arena.held, os.arena.live, held, alive)
	}
	return nil
}

// sorted returns the owners in order of their names.
func (m *model) sorted() []owner {
	out := slices.Clone(m.order)
	slices.SortFunc(out, func(a, b owner) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	return out
}

// rebuild makes a table of the model's records in an order of its own, so that ordinals, blocks and chains differ.
func (m *model) rebuild(rng *rand.Rand) *Table {
	t := New()
	owners := m.sorted()
	rng.Shuffle(len(owners), func(i, j int) { owners[i], owners[j] = owners[j], owners[i] })
	for _, name := range owners {
		o := m.owners[name]
		n := t.Owner(name.kind, name.name)
		if o.gen != 0 {
			t.Raise(name.kind, n, o.gen)
		}
		records := make([]recordName, 0, len(o.records))
		for r := range o.records {
			records = append(records, r)
		}
		slices.SortFunc(records, func(a, b recordName) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.sub, b.sub))
		})
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		for _, r := range records {
			t.Put(Key{r.kind, name.kind, n, r.sub}, []byte(o.records[r]))
		}
	}
	return t
}

// seedOf returns TIDAL_SEED, or a fixed seed, and says on failure how to use it again.
func seedOf(t *testing.T) uint64 {
	seed := uint64(1)
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: TIDAL_SEED=%d go test ./internal/state -run '^%s$'", seed, t.Name())
		}
	})
	return seed
}
