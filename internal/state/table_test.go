package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// runner drives a table and its model with the same calls.
type runner struct {
	kinds int
	rng   *rand.Rand
	table *Table
	model *model
	gen   hlc.Timestamp
	harsh bool                   // owners are evicted, and all is dropped
	notes map[notedRecord][]byte // of lists, which are spliced if it isn't nil
}

func newRunner(seed, round uint64) *runner {
	return &runner{rng: rand.New(rand.NewPCG(seed, round)), table: New(), model: newModel(), kinds: algebra.Kinds}
}

func (r *runner) step(owners int) error {
	if r.harsh {
		if done := r.forget(); done {
			return nil
		}
	}
	name := owner{id.Kind(r.rng.IntN(id.Kinds + 1)), "o" + strings.Repeat("x", r.rng.IntN(3)*20)}
	name.name += fmt.Sprint(int(float64(owners) * r.rng.Float64() * r.rng.Float64()))
	n := r.table.Owner(name.kind, name.name)
	o := r.model.owner(name.kind, name.name)
	if n != o.ord {
		return fmt.Errorf("%v has ordinal %d, want %d", name, n, o.ord)
	}
	record := recordName{algebra.Kind(1 + r.rng.IntN(r.kinds)), subs[r.rng.IntN(len(subs))]}
	key := Key{record.kind, name.kind, n, record.sub}
	if r.notes != nil && record.kind == algebra.KindRecents && r.rng.IntN(8) > 0 && len(o.records[record]) > spillAbove && len(o.records[record]) < 1<<15 {
		return r.splice(key, name, o)
	}
	delete(r.notes, notedRecord{name, record})
	switch r.rng.IntN(20) {
	case 0:
		return r.raise(name, o)
	case 1, 2, 3:
		r.table.Put(key, nil)
		delete(o.records, record)
	case 4:
		// A value that lies in the table itself.
		if v, ok := r.table.Get(key); ok {
			v = v[len(v)/3:]
			o.records[record] = string(v)
			r.table.Put(key, v)
		}
	default:
		v := r.value()
		r.table.Put(key, v)
		o.records[record] = string(v)
		clear(v) // the table has its own copy
	}
	want, ok := o.records[record]
	got, has := r.table.Get(key)
	if ok != has || string(got) != want {
		return fmt.Errorf("%v %v: %d bytes, want %d", name, record, len(got), len(want))
	}
	return nil
}

var subs = []string{"", "like", "view", "\x00", "a\x00b", strings.Repeat("s", 300), "x1", "x2", "x3", "x4"}

type notedRecord struct {
	owner
	recordName
}

// splice changes a list where it lies, and looks whether its notes are what was noted last.
func (r *runner) splice(key Key, name owner, o *modelOwner) error {
	record := recordName{key.Kind, key.Sub}
	at := r.table.Lookup(key)
	notes, want := r.table.Notes(key, at), make([]byte, algebra.ListNotes)
	copy(want, r.notes[notedRecord{name, record}])
	if !bytes.Equal(notes, want) {
		return fmt.Errorf("%v: notes are %x, want %x", key, notes, want)
	}
	notes[r.rng.IntN(len(notes))]++
	r.notes[notedRecord{name, record}] = slices.Clone(notes)
	v := o.records[record]
	cuts := []int{0, r.rng.IntN(len(v) + 1), r.rng.IntN(len(v) + 1), len(v) - r.rng.IntN(50)}
	if r.rng.IntN(2) > 0 { // most often an entry comes and another goes
		cuts = []int{0, r.rng.IntN(2) * r.rng.IntN(len(v)-50), 0, len(v) - r.rng.IntN(2)*r.rng.IntN(50)}
		cuts[2] = cuts[1] + r.rng.IntN(2)*r.rng.IntN(50)
	}
	slices.Sort(cuts)
	x := algebra.ListEdit{Entry: r.value(), At: cuts[0], To: cuts[1], Again: cuts[2], End: cuts[3]}
	x.Entry = x.Entry[:min(len(x.Entry), 300)]
	r.table.Splice(key, at, &x)
	o.records[record] = v[:x.At] + string(x.Entry) + v[x.At:x.To] + v[x.Again:x.End]
	if got, _ := r.table.Get(key); string(got) != o.records[record] {
		return fmt.Errorf("%v: after %d, %d, %d, %d of %d it has %d bytes that differ", key, x.At, x.To, x.Again, x.End,
			len(v), len(got))
	}
	if len(key.Sub)+len(o.records[record]) <= spillAbove {
		delete(r.notes, notedRecord{name, record})
	}
	return nil
}

// forget evicts an owner or, rarely, all of them; mostly nothing.
func (r *runner) forget() bool {
	switch n := r.rng.IntN(4000); {
	case n == 0:
		r.table.Reset()
		r.model = newModel()
	case n < 150 && len(r.model.order) > 0:
		name := r.model.order[r.rng.IntN(len(r.model.order))]
		n := r.model.owners[name].ord
		r.table.Evict(name.kind, n)
		r.table.Evict(name.kind, n) // once more is nothing
		r.model.evict(name)
	default:
		return false
	}
	return true
}

func (r *runner) raise(name owner, o *modelOwner) error {
	r.gen++
	gen := r.gen
	if r.rng.IntN(3) == 0 {
		gen = hlc.Timestamp(r.rng.Uint64N(uint64(r.gen)) + 1)
	}
	if got, want := r.table.Raise(name.kind, o.ord, gen), o.raise(gen); got != want {
		return fmt.Errorf("%v: raise to %v counts: %v, want %v", name, gen, got, want)
	}
	return nil
}

// value makes a value of 1 byte to 200 KB, mostly small.
func (r *runner) value() []byte {
	size := 1 + r.rng.IntN(120)
	switch r.rng.IntN(200) {
	case 0:
		size = 1 + r.rng.IntN(200<<10)
	case 1, 2, 3, 4:
		size = 1 + r.rng.IntN(4<<10)
	}
	v := make([]byte, size)
	for i := range v {
		v[i] = byte(r.rng.Uint32())
	}
	return v
}

// TestTableHoldsWhatAMapHolds: after any sequence of calls, every way to read the table gives what the model says,
// the digest is the one that its definition gives, and the books of the memory balance.
func TestTableHoldsWhatAMapHolds(t *testing.T) {
	seed := seedOf(t)
	for round, size := range []struct {
		owners, steps, check int
		harsh                bool
	}{
		{3, 3000, 50, false},
		{40, 6000, 300, true},
		{5000, 20000, 10000, true},
		{1, 1000, 50, false},
		{20, 10000, 1000, true},
	} {
		r := newRunner(seed, uint64(round))
		r.harsh, r.notes = size.harsh, map[notedRecord][]byte{}
		for step := range size.steps {
			if err := r.step(size.owners); err != nil {
				t.Fatalf("round %d, step %d: %v", round, step, err)
			}
			if step%size.check != 0 && step != size.steps-1 {
				continue
			}
			if err := r.model.compare(r.table); err != nil {
				t.Fatalf("round %d, step %d: %v", round, step, err)
			}
			if got, want := r.table.Digest(), r.model.digest(); got != want {
				t.Fatalf("round %d, step %d: digest is %v, by definition %v", round, step, got, want)
			}
			if got, want := r.table.DigestCells(), r.model.digestCells(); got != want {
				t.Fatalf("round %d, step %d: digest of cells is %v, by definition %v", round, step, got, want)
			}
		}
	}
}

// TestDigestDependsOnContentAlone: a table that was built in another order, with other ordinals and without the
// history, has the same digests, before and after a change; and each single difference shows.
func TestDigestDependsOnContentAlone(t *testing.T) {
	seed := seedOf(t)
	for round := range uint64(20) {
		r := newRunner(seed, round)
		for range 400 {
			if err := r.step(30); err != nil {
				t.Fatal(err)
			}
		}
		before := r.table.Digest()
		twin := r.model.rebuild(r.rng)
		if before != twin.Digest() || r.table.DigestCells() != twin.DigestCells() {
			t.Fatalf("round %d: a rebuilt table has another digest", round)
		}
		name := r.model.order[r.rng.IntN(len(r.model.order))]
		key := Key{Kind: algebra.KindCell, Owner: name.kind, Sub: "new"}
		for _, table := range []*Table{r.table, twin} {
			key.Ord, _ = table.Find(name.kind, name.name)
			table.Put(key, []byte("v"))
		}
		if r.table.Digest() == before || r.table.Digest() != twin.Digest() {
			t.Fatalf("round %d: the same change gives different digests, or none", round)
		}
		twin.Put(key, nil)
		if twin.Digest() != before {
			t.Fatalf("round %d: the change taken back leaves a trace", round)
		}
		twin.Owner(name.kind, "somebody that was only asked for")
		if twin.Digest() != before {
			t.Fatalf("round %d: an ordinal shows in the digest", round)
		}
	}
}

// TestDigestSeesEveryPartOfARecord: id, kind, generation, sub-key and value; where one ends and the next begins, too.
func TestDigestSeesEveryPartOfARecord(t *testing.T) {
	type record struct {
		owner id.Kind
		name  string
		gen   hlc.Timestamp
		kind  algebra.Kind
		sub   string
		value string
	}
	seen := map[Digest]record{New().Digest(): {}}
	for _, x := range []record{
		{id.KindItem, "a", 0, algebra.KindCell, "s", "v"},
		{id.KindUser, "a", 0, algebra.KindCell, "s", "v"},
		{id.KindItem, "b", 0, algebra.KindCell, "s", "v"},
		{id.KindItem, "a", 1, algebra.KindCell, "s", "v"},
		{id.KindItem, "a", 0, algebra.KindCohortCell, "s", "v"},
		{id.KindItem, "a", 0, algebra.KindCell, "t", "v"},
		{id.KindItem, "a", 0, algebra.KindCell, "s", "w"},
		{id.KindItem, "a", 0, algebra.KindCell, "", "sv"},
		{id.KindItem, "a", 0, algebra.KindCell, "sv", "\x00"},
		{id.KindItem, "a", 0, algebra.KindCell, "", "v"},
		{KindGlobal, "a", 0, algebra.KindUndone, "s", "v"},
	} {
		table := New()
		n := table.Owner(x.owner, x.name)
		if x.gen != 0 {
			table.Raise(x.owner, n, x.gen)
		}
		table.Put(Key{x.kind, x.owner, n, x.sub}, []byte(x.value))
		if y, ok := seen[table.Digest()]; ok {
			t.Errorf("%v and %v have one digest", x, y)
		}
		seen[table.Digest()] = x
	}
}

// TestDigestCellsIgnoresGenerations: the same events, counted under other generations or beside other joins, give the
// same digest of cells; other events don't.
func TestDigestCellsIgnoresGenerations(t *testing.T) {
	build := func(gen hlc.Timestamp, marks, cell string) *Table {
		table := New()
		n := table.Owner(id.KindItem, "i")
		if gen != 0 {
			table.Put(Key{algebra.KindCell, id.KindItem, n, "like"}, []byte("of an older generation"))
			table.Raise(id.KindItem, n, gen)
		}
		table.Put(Key{algebra.KindCell, id.KindItem, n, "like"}, []byte(cell))
		table.Put(Key{algebra.KindEngagers, id.KindItem, n, ""}, []byte(marks))
		return table
	}
	want := build(0, "m", "c")
	for _, other := range []*Table{build(7, "m", "c"), build(0, "n", "c"), build(9, "", "c")} {
		if other.DigestCells() != want.DigestCells() {
			t.Error("digest of cells depends on more than the cells")
		}
		if other.Digest() == want.Digest() {
			t.Error("digest doesn't see the difference")
		}
	}
	if build(0, "m", "d").DigestCells() == want.DigestCells() {
		t.Error("digest of cells doesn't see a cell")
	}
}

// TestDigestGolden holds the definition of the digest: replicas of different builds compare theirs. -update rewrites.
func TestDigestGolden(t *testing.T) {
	r := newRunner(1, 1)
	r.kinds = int(algebra.KindGeneration) // those that there were when the file was written
	for range 2000 {
		if err := r.step(50); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprintf("digest %v\ncells  %v\n", r.table.Digest(), r.table.DigestCells())
	const file = "testdata/digest.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestDigestParses: what String prints reads back, and nothing else does.
func TestDigestParses(t *testing.T) {
	d := New().Digest()
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("read back %v, %v", got, err)
	}
	for _, s := range []string{"", "00", d.String() + "00", strings.ToUpper(d.String()), strings.Repeat("g", 64)} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

// TestRaiseKeepsTheEntityAlone: a generation drops all of its owner's records but the entity's, and nobody else's.
func TestRaiseKeepsTheEntityAlone(t *testing.T) {
	table := New()
	a, b := table.Owner(id.KindItem, "a"), table.Owner(id.KindItem, "b")
	for _, n := range []Ord{a, b} {
		for kind := algebra.Kind(1); kind <= algebra.Kinds; kind++ {
			for _, sub := range []string{"", "s"} {
				table.Put(Key{kind, id.KindItem, n, sub}, []byte("v"))
			}
		}
	}
	if !table.Raise(id.KindItem, a, 5) || table.Raise(id.KindItem, a, 4) || !table.Raise(id.KindItem, a, 5) {
		t.Error("only the highest generation counts")
	}
	var left []string
	for k := range table.All(id.KindItem, a) {
		left = append(left, fmt.Sprintf("%v %q", k.Kind, k.Sub))
	}
	slices.Sort(left)
	if want := []string{`entity ""`, `entity "s"`}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	count := 0
	for range table.All(id.KindItem, b) {
		count++
	}
	if count != 2*algebra.Kinds {
		t.Errorf("the other item has %d records", count)
	}
}

// FuzzTable: any sequence of calls leaves the table equal to its model.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 9, 40, 7, 0, 0, 5, 1, 1, 2, 200, 3})
	f.Add(bytes.Repeat([]byte{5, 3, 17, 2, 0, 255}, 30))
	f.Fuzz(func(t *testing.T, program []byte) {
		table, m := New(), newModel()
		for len(program) >= 5 {
			op, who, kind, sub, size := program[0], program[1], program[2], program[3], int(program[4])
			program = program[5:]
			name := owner{id.Kind(who % (id.Kinds + 1)), fmt.Sprint(who % 16)}
			n, o := table.Owner(name.kind, name.name), m.owner(name.kind, name.name)
			record := recordName{algebra.Kind(1 + kind%algebra.Kinds), subs[int(sub)%len(subs)]}
			key := Key{record.kind, name.kind, n, record.sub}
			switch op % 8 {
			case 6:
				table.Evict(name.kind, n)
				m.evict(name)
			case 7:
				if size == 0 {
					table.Reset()
					m = newModel()
				}
			case 0:
				gen := hlc.Timestamp(size)
				if got, want := table.Raise(name.kind, n, gen), o.raise(gen); got != want {
					t.Fatalf("raise to %v counts: %v, want %v", gen, got, want)
				}
			case 1, 2:
				table.Put(key, nil)
				delete(o.records, record)
			default:
				v := bytes.Repeat([]byte{op}, 1+size*int(op))
				table.Put(key, v)
				o.records[record] = string(v)
			}
		}
		if err := m.compare(table); err != nil {
			t.Fatal(err)
		}
		if table.Digest() != m.digest() || table.DigestCells() != m.digestCells() {
			t.Fatal("digests differ from their definition")
		}
	})
}
