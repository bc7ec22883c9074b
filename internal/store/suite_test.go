package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
)

// disk makes stores of one form: open opens what it holds, again and again.
type disk struct {
	form string
	open func() (*store.Store, error)
	// as opens it as another group's.
	as func(store.Identity) (*store.Store, error)
}

func memoryDisk() disk {
	m := store.NewMemory()
	as := func(who store.Identity) (*store.Store, error) { return store.OpenMemory(m, who) }
	return disk{"memory", func() (*store.Store, error) { return as(whose) }, as}
}

func pebbleDisk(fsys pebblevfs.FS) disk {
	as := func(who store.Identity) (*store.Store, error) {
		return store.Open(store.Options{
			FS: fsys, Dir: "d/store", Identity: who, CacheBytes: 1 << 20, MemtableBytes: 64 << 10,
		})
	}
	return disk{"pebble", func() (*store.Store, error) { return as(whose) }, as}
}

// forms runs one test on both forms.
func forms(t *testing.T, test func(t *testing.T, d disk)) {
	t.Run("memory", func(t *testing.T) { test(t, memoryDisk()) })
	t.Run("pebble", func(t *testing.T) { test(t, pebbleDisk(pebblevfs.NewMem())) })
}

func (d disk) mustOpen(t *testing.T) *store.Store {
	t.Helper()
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustCommit(t testing.TB, s *store.Store, b *store.Batch) {
	t.Helper()
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
}

func mustFlush(t testing.TB, s *store.Store) {
	t.Helper()
	if _, err := s.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestAStoreHoldsWhatItsModelHolds runs random histories: commits of any size, flushes, compactions, clean restarts
// and ones that lose what wasn't flushed, snapshots taken in and sent, reads of single records and owners.
func TestAStoreHoldsWhatItsModelHolds(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		if got := contents(t, s); len(got) != 0 || s.Meta().Applied != 0 {
			t.Fatalf("a new store holds %v, %v", s.Meta(), got)
		}
	})
	for _, seed := range seeds(t, 24) {
		forms(t, func(t *testing.T, d disk) {
			rng := rand.New(rand.NewPCG(seed, 3))
			s := d.mustOpen(t)
			now, flushed := newModel(), newModel()
			var at, flushedAt uint64
			for step := range 40 {
				switch rng.IntN(10) {
				default:
					at++
					b := store.NewBatch(metaAt(at))
					for _, e := range events(rng, rng.IntN(30)) {
						e.add(b)
						now.apply(t, e)
					}
					changeLocals(rng, b, now)
					mustCommit(t, s, b)
				case 6:
					got, err := s.Flush()
					if err != nil || got != at {
						t.Fatalf("flush says %d, %v, want %d", got, err, at)
					}
					flushed, flushedAt = now.clone(), at
				case 7:
					if err := s.Compact(); err != nil {
						t.Fatal(err)
					}
					if d.form == "pebble" { // which flushes first
						flushed, flushedAt = now.clone(), at
					}
				case 8:
					mustFlush(t, s)
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = d.mustOpen(t)
					flushed, flushedAt = now.clone(), at
				case 9:
					var b bytes.Buffer
					x, err := s.Snapshot()
					if err == nil {
						_, err = x.WriteTo(&b)
					}
					if err == nil {
						err = errors.Join(x.Close(), s.Install(&b))
					}
					if err != nil {
						t.Fatal(err)
					}
					flushed, flushedAt = now.clone(), at
				}
				if d := difference(contents(t, s), now.lines()); d != "" || !sameMeta(s.Meta(), metaIf(at)) {
					t.Fatalf("step %d at entry %d: store at %d %s\n%s", step, at, s.Meta().Applied, d, replay(t, seed))
				}
				checkReads(t, s, now, rng)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// The small memtable may have gone to disk unasked, so what is there is at least what was flushed.
			s = d.mustOpen(t)
			got := s.Meta().Applied
			if got < flushedAt || got > at {
				t.Fatalf("opened at %d, flushed %d of %d\n%s", got, flushedAt, at, replay(t, seed))
			}
			if want := map[uint64]*model{flushedAt: flushed, at: now}[got]; want != nil {
				if d := difference(contents(t, s), want.lines()); d != "" {
					t.Fatalf("opened at %d: store %s\n%s", got, d, replay(t, seed))
				}
			}
		})
	}
}

// metaIf is metaAt, and nothing at entry 0.
func metaIf(n uint64) store.Meta {
	if n == 0 {
		return store.Meta{}
	}
	return metaAt(n)
}

func changeLocals(rng *rand.Rand, b *store.Batch, m *model) {
	for range rng.IntN(4) {
		key := fmt.Sprint("lane", rng.IntN(5))
		if rng.IntN(3) == 0 {
			b.DeleteLocal([]byte(key))
			delete(m.locals, key)
			continue
		}
		value := fmt.Sprint(rng.IntN(1000))
		if rng.IntN(9) == 0 {
			value = ""
		}
		b.SetLocal([]byte(key), []byte(value))
		m.locals[key] = value
	}
}

func checkReads(t *testing.T, s *store.Store, m *model, rng *rand.Rand) {
	t.Helper()
	e := randomEvent(rng, 1)
	if e.raise {
		return
	}
	want, ok := m.values[e.key]
	ok = ok && (e.key.Kind == algebra.KindEntity || m.gens[ownerOf(e.key)] == e.key.Gen)
	got, found, err := s.Get(e.key)
	if err != nil || found != ok || ok && !bytes.Equal(got, want) {
		t.Fatalf("get %v: %x %v %v, want %x %v", e.key, got, found, err, want, ok)
	}
	one := newModel()
	for k, v := range m.values {
		if ownerOf(k) == ownerOf(e.key) {
			one.values[k] = v
		}
	}
	if gen := m.gens[ownerOf(e.key)]; gen != 0 {
		one.gens[ownerOf(e.key)] = gen
	}
	var lines []string
	for rec, err := range s.Owner(e.key.OwnerKind, e.key.Owner) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, describe(rec))
	}
	if d := difference(lines, one.lines()); d != "" {
		t.Fatalf("owner %q %s", e.key.Owner, d)
	}
	for _, key := range []string{"lane0", "lane1", "no"} {
		want, ok := m.locals[key]
		if got, found, err := s.Local([]byte(key)); err != nil || found != ok || string(got) != want {
			t.Fatalf("local %s: %q %v %v, want %q", key, got, found, err, want)
		}
	}
}

func TestSetAndDeleteRuleOverWhatWasThere(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		level := store.Key{Owner: "level", Kind: algebra.KindFormatLevel}
		for i, c := range []struct {
			do   func(b *store.Batch)
			want string
		}{
			{func(b *store.Batch) { b.Set(level, []byte{9}) }, "\x09"},
			{func(b *store.Batch) { b.Merge(level, []byte{3}) }, "\x09"},
			{func(b *store.Batch) { b.Set(level, []byte{3}) }, "\x03"},
			{func(b *store.Batch) { b.Merge(level, []byte{9}); b.Set(level, []byte{2}); b.Merge(level, []byte{4}) }, "\x04"},
			{func(b *store.Batch) { b.Set(level, nil) }, ""},
			{func(b *store.Batch) { b.Merge(level, []byte{1}) }, "\x01"},
			{func(b *store.Batch) { b.Set(level, nil); b.Merge(level, nil) }, ""},
		} {
			b := store.NewBatch(metaAt(uint64(i) + 1))
			c.do(b)
			mustCommit(t, s, b)
			if got, ok, err := s.Get(level); string(got) != c.want || ok != (c.want != "") || err != nil {
				t.Fatalf("step %d: %x %v %v, want %x", i, got, ok, err, c.want)
			}
		}
	})
}

func TestARaisedGenerationLeavesTheEntityAlone(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		// b sorts between a and its prefix-mates: a range that is cut too wide would take them.
		for i, owner := range []string{"a", "a\x00", "a\x00b", "aa", "b", "\xff", "\xff\xff"} {
			b := store.NewBatch(metaAt(uint64(2*i) + 1))
			for gen := hlc.Timestamp(0); gen < 3; gen++ {
				b.Merge(store.Key{OwnerKind: id.KindItem, Owner: owner, Gen: gen, Kind: algebra.KindCell, Sub: "view"},
					randomCell(rand.New(rand.NewPCG(1, 1)), 0, false))
			}
			b.Merge(store.Key{OwnerKind: id.KindItem, Owner: owner, Kind: algebra.KindEntity},
				algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: 5}, nil).AppendBinary(nil))
			mustCommit(t, s, b)
		}
		before := len(contents(t, s))
		b := store.NewBatch(metaAt(100))
		b.Raise(id.KindItem, "a", 7)
		b.Raise(id.KindItem, "\xff", 7)
		b.Raise(id.KindItem, "b", 1) // lower than it is
		mustCommit(t, s, b)
		if got := len(contents(t, s)); got != before-2 {
			t.Errorf("%d records, want %d: two cells less", got, before-2)
		}
		for _, owner := range []string{"a", "\xff"} {
			k := store.Key{OwnerKind: id.KindItem, Owner: owner, Kind: algebra.KindEntity}
			if _, ok, err := s.Get(k); !ok || err != nil {
				t.Errorf("entity of %q: %v %v", owner, ok, err)
			}
		}
		// A signal of a generation that is over comes late, and doesn't count.
		b = store.NewBatch(metaAt(101))
		late := store.Key{OwnerKind: id.KindItem, Owner: "a", Gen: 2, Kind: algebra.KindCell, Sub: "view"}
		b.Merge(late, randomCell(rand.New(rand.NewPCG(1, 1)), 0, false))
		mustCommit(t, s, b)
		if _, ok, err := s.Get(late); ok || err != nil {
			t.Errorf("a record of a generation that is over is found (%v)", err)
		}
	})
}

func TestAnIterationSeesOneInstant(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		b := store.NewBatch(metaAt(1))
		m := newModel()
		for _, e := range events(rand.New(rand.NewPCG(1, 2)), 200) {
			e.add(b)
			m.apply(t, e)
		}
		mustCommit(t, s, b)
		var got []string
		at := uint64(1)
		for rec, err := range s.Records() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, describe(rec))
			at++
			b := store.NewBatch(metaAt(at))
			for _, e := range events(rand.New(rand.NewPCG(at, 2)), 3) {
				e.add(b)
			}
			mustCommit(t, s, b)
		}
		if d := difference(got, m.lines()); d != "" {
			t.Error(d)
		}
		for range s.Records() { // ends early and leaves nothing open
			break
		}
	})
}

func TestMistakesOfOursPanic(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		level := store.Key{Owner: "level", Kind: algebra.KindFormatLevel}
		b := store.NewBatch(metaAt(20))
		b.Merge(level, []byte{1})
		mustCommit(t, s, b)
		at := func(change func(m *store.Meta)) func() {
			return func() {
				m := metaAt(21)
				change(&m)
				b := store.NewBatch(m)
				b.Merge(level, []byte{1})
				_ = s.Commit(b)
			}
		}
		for name, f := range map[string]func(){
			"records without an entry": at(func(m *store.Meta) { *m = metaAt(20) }),
			"an entry before":          at(func(m *store.Meta) { *m = metaAt(19) }),
			"a term before":            at(func(m *store.Meta) { m.Term = 0 }),
			"fewer events":             at(func(m *store.Meta) { m.Vector = id.VersionVector{} }),
			"a long configuration":     at(func(m *store.Meta) { m.Configuration = make([]byte, 2<<20) }),
			"no owner":                 func() { b.Merge(store.Key{Kind: algebra.KindCell}, nil) },
			"a long owner": func() {
				b.Merge(store.Key{Owner: string(make([]byte, 513)), Kind: algebra.KindCell}, nil)
			},
			"an unknown kind":        func() { b.Merge(store.Key{Owner: "x", Kind: 99}, nil) },
			"an unknown owner kind":  func() { b.Merge(store.Key{OwnerKind: 9, Owner: "x", Kind: algebra.KindCell}, nil) },
			"an entity's generation": func() { b.Merge(store.Key{Owner: "x", Gen: 1, Kind: algebra.KindEntity}, nil) },
			"a value that isn't":     func() { b.Merge(level, []byte{0x80}) },
			"no local key":           func() { b.SetLocal(nil, nil) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: nothing happened", name)
					}
				}()
				f()
			}()
		}
		if got := s.Meta().Applied; got != 20 {
			t.Errorf("store is at %d", got)
		}
	})
}

func TestAClosedStoreSaysSo(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, get := s.Get(store.Key{Owner: "level", Kind: algebra.KindFormatLevel})
		_, _, local := s.Local([]byte("x"))
		_, flush := s.Flush()
		_, snapshot := s.Snapshot()
		_, installer := s.Installer()
		var walk error
		for _, walk = range s.Records() {
		}
		for i, err := range []error{
			get, local, flush, snapshot, installer, walk,
			s.Commit(store.NewBatch(metaAt(1))), s.Install(&bytes.Buffer{}), s.Close(),
		} {
			if !errors.Is(err, fault.ErrClosed) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

func TestAStoreKnowsItsLog(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		mustCommit(t, s, store.NewBatch(metaAt(25))) // of term 3
		for _, c := range []struct {
			first, last, term uint64
			fits              bool
		}{
			{1, 25, 3, true},
			{20, 90, 3, true},
			{26, 25, 0, true},
			{26, 90, 0, true},
			{27, 90, 0, false},
			{1, 24, 0, false},
			{1, 30, 2, false},
		} {
			err := s.CheckLog(c.first, c.last, c.term)
			if c.fits != (err == nil) || err != nil && !errors.Is(err, fault.ErrOutOfStep) {
				t.Errorf("log of %d to %d, term %d: %v", c.first, c.last, c.term, err)
			}
		}
	})
}

func TestAForeignStoreIsRefused(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		mustCommit(t, s, store.NewBatch(metaAt(1)))
		mustFlush(t, s)
		var snapshot bytes.Buffer
		x, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.WriteTo(&snapshot); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(x.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*store.Identity){
			"cluster": func(i *store.Identity) { i.Cluster[0]++ },
			"tenant":  func(i *store.Identity) { i.Tenant = "" },
			"region":  func(i *store.Identity) { i.Region++ },
			"shard":   func(i *store.Identity) { i.Shard++ },
		} {
			other := whose
			change(&other)
			if _, err := d.as(other); !errors.Is(err, fault.ErrForeign) {
				t.Errorf("%s: opened with %v", name, err)
			}
			o := disk{open: func() (*store.Store, error) { return store.OpenMemory(store.NewMemory(), other) }}.mustOpen(t)
			if err := o.Install(bytes.NewReader(snapshot.Bytes())); !errors.Is(err, fault.ErrForeign) {
				t.Errorf("%s: installed with %v", name, err)
			}
		}
	})
}

var _ io.WriterTo = (*store.Snapshot)(nil)
