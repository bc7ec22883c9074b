package host

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// openForKeys opens a directory and, to write, raises its level and tends its keys, as the root package does.
func openForKeys(t *testing.T, opts Options) *Replica {
	t.Helper()
	r, err := Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if opts.ReadOnly {
		return r
	}
	level := []record.Proposed{{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}}}
	if _, err := r.Write(context.Background(), &replica.Request{Records: level}); err != nil {
		t.Fatal(err)
	}
	if err := r.TendKeys(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	return r
}

func keysOf(t *testing.T, r *Replica) token.Keys {
	t.Helper()
	keys, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func mustCloseKeys(t *testing.T, r *Replica) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// The keys are made by the first writer, and are the same for everybody from then on.
func TestKeysAreMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	r := openForKeys(t, Options{Dir: dir})
	first := keysOf(t, r)
	if len(first) != 1 {
		t.Fatalf("%d keys", len(first))
	}
	mustCloseKeys(t, r)
	if _, err := os.Stat(filepath.Join(dir, keysName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the keys are in a file: %v", err)
	}
	for _, readOnly := range []bool{false, true} {
		r := openForKeys(t, Options{Dir: dir, ReadOnly: readOnly})
		if again := keysOf(t, r); !reflect.DeepEqual(again, first) {
			t.Errorf("keys changed (read only %v)", readOnly)
		}
		mustCloseKeys(t, r)
	}
	if err := os.WriteFile(filepath.Join(dir, keysName), []byte(`{"format":1,"keys":[{"id":1,"secret":"abc"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.TendKeys(context.Background(), false); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("damaged keys gave %v", err)
	}
	mustCloseKeys(t, r)
}

// TestAKeySealsForAMonthAndOpensForThreeMore lets time pass. A key that was replaced opens as long as it should, and then
// its secret is gone from the state.
func TestAKeySealsForAMonthAndOpensForThreeMore(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var days atomic.Int64 // the loop reads the clock, too
	opts := Options{Dir: t.TempDir(), Now: func() time.Time { return now.AddDate(0, 0, int(days.Load())) }}
	r := openForKeys(t, opts)
	tend := func() token.Keys {
		t.Helper()
		if err := r.TendKeys(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		return keysOf(t, r)
	}
	first := tend()[0]
	holds := func(keys token.Keys, k token.Key) bool {
		for _, x := range keys {
			if x == k {
				return true
			}
		}
		return false
	}
	days.Store(30)
	if keys := tend(); keys[0] != first {
		t.Errorf("the key was replaced after 30 days, not later")
	}
	days.Store(31) // replaced now, so it opens up to day 121
	second := tend()
	if len(second) != 2 || second[0] == first || second[1] != first {
		t.Fatalf("day 31: %d keys, the first one among them: %v", len(second), holds(second, first))
	}
	if err := r.TendKeys(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if asked := keysOf(t, r); len(asked) != 3 || holds(second, asked[0]) {
		t.Errorf("a key that is asked for: %d keys", len(asked))
	}
	days.Store(121)
	if keys := keysOf(t, r); !holds(keys, first) {
		t.Error("day 121: the first key opens nothing any more")
	}
	days.Store(122)
	if keys := keysOf(t, r); holds(keys, first) {
		t.Error("day 122: the first key still opens")
	}
	tend()
	var all []engine.SealingKey
	all, err := r.sealingKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.ID == first.ID && !k.Dropped() {
			t.Error("the first key's secret is still in the state")
		}
	}
	want := keysOf(t, r)
	mustCloseKeys(t, r)
	r = openForKeys(t, opts)
	if got := keysOf(t, r); !reflect.DeepEqual(got, want) {
		t.Error("the keys are others after opening again")
	}
	mustCloseKeys(t, r)
}

// TestAReaderOfADirectoryWithoutKeysHasOneUntilItCloses also reads the file of an earlier program.
func TestAReaderOfADirectoryWithoutKeysHasOneUntilItCloses(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mustCloseKeys(t, r)
	r = openForKeys(t, Options{Dir: dir, ReadOnly: true})
	if a, b := keysOf(t, r), keysOf(t, r); len(a) != 1 || !reflect.DeepEqual(a, b) {
		t.Errorf("%d keys, and then %d", len(a), len(b))
	}
	mustCloseKeys(t, r)
	writeOldKeys(t, vfs.Default, dir, 3)
	r = openForKeys(t, Options{Dir: dir, ReadOnly: true})
	if keys := keysOf(t, r); len(keys) != 1 || keys[0].ID != 3 {
		t.Errorf("of a file the keys are %v", keys)
	}
	if err := r.TendKeys(context.Background(), true); err == nil {
		t.Error("a reader draws keys")
	}
	mustCloseKeys(t, r)
}

// writeOldKeys writes the file of an earlier program.
func writeOldKeys(t *testing.T, fsys vfs.FS, dir string, ids ...uint32) {
	t.Helper()
	var keys []string
	for _, id := range ids {
		keys = append(keys, fmt.Sprintf(`{"id": %d, "secret": "%s"}`, id, hex.EncodeToString(oldSecret(id))))
	}
	text := `{"format": 1, "keys": [` + strings.Join(keys, ", ") + "]}\n"
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, keysName), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func oldSecret(id uint32) []byte { return bytes.Repeat([]byte{byte(id)}, 32) }

// TestKeysOfAFileEnterTheLogWhateverHappens cuts the power at every sync and before every removal while the keys of an
// earlier program enter the log. On each of the disks that this leaves the keys are there, in the file or in the log, and
// after the next opening in the log alone.
func TestKeysOfAFileEnterTheLogWhateverHappens(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	runs := 30
	if testing.Short() {
		runs = 1
	}
	for run := range runs {
		mem := crashable.New()
		r, err := Open(context.Background(), Options{FS: mem, Dir: "db"})
		if err != nil {
			t.Fatal(err)
		}
		mustCloseKeys(t, r)
		writeOldKeys(t, mem, "db", 9, 8)
		var mu sync.Mutex
		var taken []*crashable.FS
		take := func() {
			taken = append(taken, mem.CrashClone(pebblevfs.CrashCloneCfg{
				UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rand.New(rand.NewPCG(rng.Uint64(), 0)),
			}))
		}
		watched := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpRemove:
				mu.Lock()
				defer mu.Unlock()
				take()
			}
			return nil
		}))
		r = openForKeys(t, Options{FS: watched, Dir: "db"})
		mu.Lock()
		take()
		mu.Unlock()
		mustCloseKeys(t, r)
		for i, fsys := range taken {
			r := openForKeys(t, Options{FS: fsys, Dir: "db"})
			keys := keysOf(t, r)
			if len(keys) != 2 || keys[0].ID != 9 || keys[1].ID != 8 || !bytes.Equal(keys[0].Secret[:], oldSecret(9)) {
				t.Fatalf("run %d, crash %d: keys are %v", run, i, keys)
			}
			mustCloseKeys(t, r)
			if _, err := fsys.Stat("db/" + keysName); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("run %d, crash %d: the file is there: %v", run, i, err)
			}
		}
	}
}

// TestDrawingAKeyMayFail names what failed, and enters nothing.
func TestDrawingAKeyMayFail(t *testing.T) {
	r := openForKeys(t, Options{Dir: t.TempDir()})
	before := keysOf(t, r)
	r.base.opts.Random = io.LimitReader(strings.NewReader("short"), 5)
	if err := r.TendKeys(context.Background(), true); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("drawing from nothing: %v", err)
	}
	if after := keysOf(t, r); !reflect.DeepEqual(after, before) {
		t.Error("a key entered")
	}
	mustCloseKeys(t, r)
}
