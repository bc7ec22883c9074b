package crashable

import (
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Copies are taken while others lock, link and use files again: with Pebble's own file system this ends within a moment with
// everybody waiting for everybody.
func TestACopyIsTakenWhileOthersWork(t *testing.T) {
	const rounds = 2000
	mem := New()
	var workers sync.WaitGroup
	work := func(name string, step func(mine string, i int) error) {
		mine := "/" + name
		if err := write(mem, mine, "x"); err != nil {
			t.Fatal(err)
		}
		workers.Go(func() {
			for i := range rounds {
				if err := step(mine, i); err != nil {
					t.Errorf("%s, round %d: %v", name, i, err)
					return
				}
			}
		})
	}
	work("locked", func(mine string, _ int) error {
		lock, err := mem.Lock(mine)
		if err != nil {
			return err
		}
		return lock.Close()
	})
	work("linked", func(mine string, i int) error {
		second := mine + strconv.Itoa(i)
		if err := mem.Link(mine, second); err != nil {
			return err
		}
		return mem.Remove(second)
	})
	work("reused", func(mine string, i int) error {
		from, to := mine, mine+"-"
		if i%2 == 1 {
			from, to = to, from
		}
		f, err := mem.ReuseForWrite(from, to, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		return f.Close()
	})
	rng := rand.New(rand.NewPCG(1, 1))
	workers.Go(func() {
		for range rounds {
			mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
		}
	})
	workers.Wait()
}

// What was made durable is in a copy, and in a copy of that; what was not is in neither.
func TestACopyHoldsWhatWasSynced(t *testing.T) {
	mem := New()
	if err := write(mem, "/kept", "synced"); err != nil {
		t.Fatal(err)
	}
	root, err := mem.OpenDir("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	if err := write(mem, "/lost", "its name isn't"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mem = mem.CrashClone(vfs.CrashCloneCfg{})
		names, err := mem.List("/")
		if err != nil || len(names) != 1 || names[0] != "kept" {
			t.Fatalf("the copy holds %q, %v", names, err)
		}
		f, err := mem.Open("/kept")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || string(got) != "synced" {
			t.Errorf("the file holds %q, %v", got, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// write makes a file and syncs it, but not its name.
func write(fsys vfs.FS, name, text string) error {
	f, err := fsys.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(text)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
