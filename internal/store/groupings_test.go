package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
)

// TestGroupings: the same effects give one digest, however they come together: one by one, merged in random groups
// before they are committed, in any order, with flushes and compactions between, on either form, and through
// snapshots. The digest is that of a table filled by the dumb twin.
func TestGroupings(t *testing.T) {
	for _, seed := range seeds(t, 8) {
		rng := rand.New(rand.NewPCG(seed, 5))
		all := events(rng, 400)
		m := newModel()
		for _, e := range all {
			m.apply(t, e)
		}
		want := m.digest()
		ways := map[string]func(s *store.Store, rng *rand.Rand){
			"one by one": func(s *store.Store, _ *rand.Rand) { commitAll(t, s, nil, all, 1) },
			"at once":    func(s *store.Store, _ *rand.Rand) { commitAll(t, s, nil, all, len(all)) },
			"in random order and groups": func(s *store.Store, rng *rand.Rand) {
				commitAll(t, s, rng, shuffled(rng, all), 20)
			},
			"partly merged before": func(s *store.Store, rng *rand.Rand) {
				commitAll(t, s, rng, folded(t, rng, shuffled(rng, all)), 20)
			},
			"through snapshots": func(s *store.Store, rng *rand.Rand) {
				half := len(all) / 2
				other, err := store.OpenMemory(store.NewMemory(), whose)
				if err != nil {
					t.Fatal(err)
				}
				commitAll(t, other, rng, all[:half], 20)
				send(t, other, s)
				commitAll(t, s, rng, all[half:], 20)
				send(t, s, other)
				send(t, other, s)
			},
		}
		for name, way := range ways {
			forms(t, func(t *testing.T, d disk) {
				s := d.mustOpen(t)
				way(s, rand.New(rand.NewPCG(seed, 6)))
				if got := digest(t, s); got != want {
					t.Errorf("%s: digest %v, want %v\n%s\n%s", name, got, want,
						difference(contents(t, s), m.lines()), replay(t, seed))
				}
				if err := s.Compact(); err != nil {
					t.Fatal(err)
				}
				if got := digest(t, s); got != want {
					t.Errorf("%s, compacted: digest %v, want %v", name, got, want)
				}
			})
		}
	}
}

func (m *model) digest() state.Digest {
	table := state.New()
	for k, gen := range m.gens {
		table.Raise(k.OwnerKind, table.Owner(k.OwnerKind, k.Owner), gen)
	}
	for k, v := range m.values {
		if k.Kind == algebra.KindEntity || k.Gen == m.gens[ownerOf(k)] {
			load(table, store.Record{Key: k, Value: v})
		}
	}
	return table.Digest()
}

func shuffled(rng *rand.Rand, all []event) []event {
	out := slices.Clone(all)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// folded merges runs of effects on one record into one, as a materialiser does that takes a range of log at a time.
func folded(t *testing.T, rng *rand.Rand, all []event) []event {
	t.Helper()
	var out []event
	for len(all) > 0 {
		n := min(1+rng.IntN(60), len(all))
		byKey := map[store.Key]int{}
		for _, e := range all[:n] {
			i, ok := byKey[e.key]
			if e.raise || !ok {
				if !e.raise {
					byKey[e.key] = len(out)
				}
				out = append(out, e)
				continue
			}
			v, err := algebra.Merge(e.key.Kind, nil, out[i].value, e.value)
			if err != nil {
				t.Fatal(err)
			}
			out[i].value = v
		}
		all = all[n:]
	}
	return out
}

// commitAll commits events in groups of up to n, behind what a store holds; with a source of randomness, of random
// size, and with flushes and compactions between them.
func commitAll(t *testing.T, s *store.Store, rng *rand.Rand, all []event, n int) {
	t.Helper()
	for len(all) > 0 {
		k := min(n, len(all))
		if rng != nil {
			k = 1 + rng.IntN(k)
		}
		b := store.NewBatch(metaAt(s.Meta().Applied + 1))
		for _, e := range all[:k] {
			e.add(b)
		}
		mustCommit(t, s, b)
		all = all[k:]
		if rng == nil {
			continue
		}
		switch rng.IntN(8) {
		case 0:
			mustFlush(t, s)
		case 1:
			if err := s.Compact(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// send installs a snapshot of one store in another.
func send(t *testing.T, from, to *store.Store) {
	t.Helper()
	var b bytes.Buffer
	x, err := from.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.WriteTo(&b)
	if err := errors.Join(err, x.Close(), to.Install(&b)); err != nil {
		t.Fatal(err)
	}
}

// TestAnEngineComesBackFromItsStore applies real logs to an engine and now and then sets what it holds in a store;
// what the store holds then has the engine's own digest, also after a restart.
func TestAnEngineComesBackFromItsStore(t *testing.T) {
	for _, seed := range seeds(t, 6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		work := workload.Generate(seed)
		d := pebbleDisk(pebblevfs.NewMem())
		s := d.mustOpen(t)
		e := engine.New(engine.Config{Origin: id.Origin{Region: 9}})
		next := make([]int, len(work.Logs))
		checked := 0
		for at := uint64(1); ; at++ {
			var ready []int
			for i, log := range work.Logs {
				if next[i] < len(log.Batches) {
					ready = append(ready, i)
				}
			}
			last := len(ready) == 0
			if !last {
				i := ready[rng.IntN(len(ready))]
				if _, err := e.Apply(work.Logs[i].Batches[next[i]].Data); err != nil {
					t.Fatal(err)
				}
				next[i]++
			}
			if !last && rng.IntN(4) > 0 {
				continue
			}
			checked++
			b := store.NewBatch(store.Meta{Applied: at, Vector: e.Vector()})
			for r := range e.Records {
				set(b, r)
			}
			mustCommit(t, s, b)
			if rng.IntN(2) == 0 {
				mustFlush(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = d.mustOpen(t)
			}
			if got, want := digest(t, s), e.Digest(); got != want || !s.Meta().Vector.Equal(e.Vector()) {
				t.Fatalf("at %v the store's digest is %v, the engine's %v\n%s", e.Vector(), got, want, replay(t, seed))
			}
			if last {
				break
			}
		}
		if checked < 2 {
			t.Errorf("seed %d was compared %d times", seed, checked)
		}
	}
}

// set puts a record of an engine into a batch.
func set(b *store.Batch, r engine.Record) {
	if r.Kind == algebra.KindGeneration {
		b.Raise(r.OwnerKind, r.Owner, r.Gen)
		return
	}
	gen := r.Gen
	if r.Kind == algebra.KindEntity {
		gen = hlc.Timestamp(0)
	}
	b.Set(store.Key{OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: gen, Kind: r.Kind, Sub: r.Sub}, r.Value)
}
