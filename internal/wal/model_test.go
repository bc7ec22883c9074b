package wal

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testIdentity is whose log the tests write.
var testIdentity = Identity{
	Cluster: [16]byte{0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	Tenant:  "acme", Region: 2, Shard: 3, Replica: 7,
}

// seed returns the seed of a random test: TIDAL_SEED, or the time. It is logged, and it is enough to run again.
func seed(t *testing.T) uint64 {
	t.Helper()
	return testseed.Of(t)
}

// state is the dumb twin of the log: a slice.
type state struct {
	before  uint64 // index in front of entries[0]
	term    uint64 // and its term
	entries []Entry
	hs      HardState
}

func (s state) last() uint64 { return s.before + uint64(len(s.entries)) }

func (s state) termAt(i uint64) uint64 {
	if i == s.before {
		return s.term
	}
	return s.entries[i-s.before-1].Term
}

func (s state) truncated(from uint64) state {
	s.entries = slices.Clip(s.entries[:from-s.before-1])
	return s
}

func (s state) with(e Entry) state {
	s.entries = append(slices.Clip(s.entries), e)
	return s
}

func (s state) restarted(index, term uint64) state {
	s.before, s.term, s.entries = index, term, nil
	s.hs = committed(s.hs, index, term)
	return s
}

// from returns the state without the entries below first.
func (s state) from(first uint64) state {
	if first > s.before+1 && first <= s.last()+1 {
		s.term = s.termAt(first - 1)
		s.entries = s.entries[first-s.before-1:]
		s.before = first - 1
	}
	return s
}

func (s state) equal(o state) bool {
	return s.before == o.before && s.term == o.term && s.hs == o.hs &&
		slices.EqualFunc(s.entries, o.entries, func(a, b Entry) bool {
			return a.Kind == b.Kind && a.Term == b.Term && a.Index == b.Index && string(a.Data) == string(b.Data)
		})
}

func (s state) String() string {
	out := fmt.Sprintf("hs %v, after %d/%d:", s.hs, s.before, s.term)
	for _, e := range s.entries {
		out += fmt.Sprintf(" %d/%d(%d bytes)", e.Index, e.Term, len(e.Data))
	}
	return out
}

// contents reads the whole log through its public face.
func contents(l *Log) (state, error) {
	first, last := l.FirstIndex(), l.LastIndex()
	s := state{before: first - 1, hs: l.HardState()}
	var err error
	if s.term, err = l.Term(first - 1); err != nil {
		return s, err
	}
	for at := first; at <= last; {
		es, err := l.Entries(at, last+1, 3000)
		if err != nil {
			return s, err
		}
		if len(es) == 0 {
			return s, fmt.Errorf("no entries from %d to %d", at, last)
		}
		for _, e := range es {
			if term, err := l.Term(e.Index); err != nil || term != e.Term {
				return s, fmt.Errorf("entry %d has term %d, Term says %d, %w", e.Index, e.Term, term, err)
			}
		}
		s.entries = append(s.entries, es...)
		at += uint64(len(es))
	}
	return s, nil
}

// readDisk returns the files of a directory by name.
func readDisk(fsys vfs.FS, dir string) map[string][]byte {
	names, err := fsys.List(dir)
	if err != nil {
		return nil
	}
	files := map[string][]byte{}
	for _, name := range names {
		f, err := fsys.Open(fsys.PathJoin(dir, name))
		if err != nil {
			panic(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			panic(err)
		}
		_ = f.Close()
		files[name] = b
	}
	return files
}

// newDisk returns a crashable disk with these files, all durable.
func newDisk(dir string, files map[string][]byte) *crashable.FS {
	mem := crashable.New()
	if err := vfs.MkdirAll(mem, dir); err != nil {
		panic(err)
	}
	for name, b := range files {
		f, err := mem.Create(mem.PathJoin(dir, name), category)
		if err != nil {
			panic(err)
		}
		if _, err := f.Write(slices.Clone(b)); err != nil {
			panic(err)
		}
		if err := f.Sync(); err != nil {
			panic(err)
		}
		_ = f.Close()
	}
	if err := vfs.SyncDir(mem, dir); err != nil {
		panic(err)
	}
	return mem
}

// crash returns a disk as a power loss may leave it: what was synced, and of the rest some 512-byte sectors and some
// names. Pebble's own clone loses blocks of 4 kB and gives different disks for one seed.
func crash(mem *crashable.FS, dir string, rng *rand.Rand) *crashable.FS {
	synced := readDisk(mem.CrashClone(pebblevfs.CrashCloneCfg{}), dir)
	full := readDisk(mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}), dir)
	percent := []int{0, 10, 50, 90, 100}[rng.IntN(5)]
	kept := func() bool { return rng.IntN(100) < percent }
	names := make([]string, 0, len(full))
	for name := range full {
		names = append(names, name)
	}
	for name := range synced {
		if _, ok := full[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	disk := map[string][]byte{}
	for _, name := range names {
		old, wasSynced := synced[name]
		now, exists := full[name]
		// A creation or a removal that wasn't synced may be lost: then the file is missing, or is still there.
		if wasSynced != exists && !kept() {
			continue
		}
		b := slices.Clone(old)
		const sector = 512
		for at := 0; at < len(now); at += sector {
			if !kept() {
				continue
			}
			part := now[at:min(at+sector, len(now))]
			if grow := at + len(part) - len(b); grow > 0 {
				b = append(b, make([]byte, grow)...)
			}
			copy(b[at:], part)
		}
		disk[name] = b
	}
	delete(disk, vfs.LockName)
	return newDisk(dir, disk)
}
