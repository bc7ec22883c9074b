package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/wal"
)

// archive is a file system that keeps the log's files elsewhere when they are removed, so that a test has all of the log.
type archive struct{ *pebblevfs.MemFS }

func (a archive) Remove(name string) error {
	if strings.HasPrefix(name, "db/wal/") && strings.HasSuffix(name, ".seg") {
		return a.Rename(name, "archive/"+a.PathBase(name))
	}
	return a.MemFS.Remove(name)
}

// wholeLog returns all entries of a closed replica's log, also of files that went.
func (a archive) wholeLog(t *testing.T) (out []wal.Entry) {
	t.Helper()
	for _, name := range segments(t, a) {
		if err := a.Rename("db/wal/"+name, "archive/"+name); err != nil {
			t.Fatal(err)
		}
	}
	err := wal.Scan(a, "archive", func(r wal.Record) error {
		if r.Kind == wal.KindBatch {
			out = append(out, wal.Entry{Kind: r.Kind, Term: r.Term, Index: r.Index, Data: bytes.Clone(r.Data)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestABackupIsTheLogUpToItsVector backs up while several write, with checkpoints and a log that goes behind them, at
// random. Afterwards an engine that begins with nothing applies the whole log: up to the vector that a manifest names, its
// digests are the manifest's, and so are those of what is restored.
func TestABackupIsTheLogUpToItsVector(t *testing.T) {
	s := seed(t)
	runs := 12
	if testing.Short() {
		runs = 1
	}
	for i := range runs {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		mem := archive{pebblevfs.NewMem()}
		if err := mem.MkdirAll("archive", 0o755); err != nil {
			t.Fatal(err)
		}
		opts := host.Options{
			FS: mem, Dir: "db", SegmentBytes: []int64{700, 4096, 20000}[rng.IntN(3)], UserMemory: budget(rng),
			RangeBytes: []int64{-1, 0, 500, 3000}[rng.IntN(4)],
		}
		if rng.IntN(4) > 0 {
			opts.Retention = briefly
		}
		r := mustOpen(t, opts)
		origin := r.Origin()
		taken := backups(t, r, rng)
		mustClose(t, r)
		e := engine.New(engine.Config{Origin: origin})
		log := mem.wholeLog(t)
		for n, b := range taken {
			log = catchUp(t, e, log, b.manifest.Vector)
			if e.Digest() != b.manifest.Digest || e.DigestCells() != b.manifest.Cells ||
				e.Counters().Signals != b.manifest.Signals {
				t.Fatalf("run %d, backup %d, of %v: its digest isn't that of the log up to there", i, n, b.manifest.Vector)
			}
			checkRestored(t, b, budget(rng), fmt.Sprintf("run %d, backup %d", i, n))
		}
	}
}

// taken is one backup.
type taken struct {
	bytes    []byte
	manifest backup.Manifest
}

// backups writes at random from some goroutines, and meanwhile takes some backups.
func backups(t *testing.T, r *host.Replica, rng *rand.Rand) (out []taken) {
	t.Helper()
	var writers sync.WaitGroup
	for range 1 + rng.IntN(3) {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		writers.Go(func() {
			var given []id.Position
			for range 60 {
				records := mixed(rng, 40)
				if len(given) > 0 && rng.IntN(5) == 0 {
					records = undo(r, given[rng.IntN(len(given))])
				}
				receipt, err := write0(r, records)
				if err != nil && !errors.Is(err, fault.ErrUndone) && !errors.Is(err, fault.ErrInput) {
					t.Errorf("write: %v", err)
				}
				if err == nil && records[0].Kind == record.KindSignal {
					given = append(given, receipt.First)
				}
			}
		})
	}
	for range 1 + rng.IntN(3) {
		out = append(out, mustBackUp(t, r, host.BackupOptions{WithoutLog: rng.IntN(3) == 0}))
	}
	writers.Wait()
	return append(out, mustBackUp(t, r, host.BackupOptions{}))
}

// undo takes back the signal at a position; if its log is gone, it is a signal more.
func undo(r *host.Replica, at id.Position) []record.Proposed {
	c, err := r.Original(at)
	if err != nil {
		return views("ada", "instead", 1)
	}
	return []record.Proposed{{Kind: record.KindCompensate, Compensation: c}}
}

func mustBackUp(t *testing.T, r *host.Replica, opts host.BackupOptions) taken {
	t.Helper()
	var b bytes.Buffer
	m, n, err := r.Backup(context.Background(), &b, opts)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("backup of %d bytes, said to be %d: %v", b.Len(), n, err)
	}
	return taken{b.Bytes(), m}
}

// catchUp applies a log up to a vector, and returns what is left of it.
func catchUp(t *testing.T, e *engine.Engine, log []wal.Entry, to id.VersionVector) []wal.Entry {
	t.Helper()
	for !e.Vector().Equal(to) {
		if len(log) == 0 {
			t.Fatalf("the log ends at %v, and never is at %v", e.Vector(), to)
		}
		if _, err := e.Apply(log[0].Data); err != nil {
			t.Fatal(err)
		}
		log = log[1:]
	}
	return log
}

// checkRestored restores a backup, opens it, writes to it, and opens it again.
func checkRestored(t *testing.T, b taken, memory int64, what string) {
	t.Helper()
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", UserMemory: memory}
	_, n, origin, err := host.Restore(context.Background(), bytes.NewReader(b.bytes), "db",
		host.RestoreOptions{FS: mem, SegmentBytes: smallSegment, UserMemory: memory})
	if err != nil || n != int64(len(b.bytes)) {
		t.Fatalf("%s: restored %d of %d bytes: %v", what, n, len(b.bytes), err)
	}
	for range 2 {
		r := mustOpen(t, opts)
		if r.Origin() != origin || origin.Incarnation == 0 {
			t.Fatalf("%s: writes have origin %v, said to be %v", what, r.Origin(), origin)
		}
		if digest(r) != b.manifest.Digest {
			t.Fatalf("%s: the digest is another", what)
		}
		mustClose(t, r)
	}
	r := mustOpen(t, opts)
	for range 20 {
		if at := mustWrite(t, r, "behind").First; at.Origin() != origin {
			t.Fatalf("%s: a write has position %v", what, at)
		}
	}
	mustCheckpoint(t, r)
	before := digest(r)
	mustClose(t, r)
	r = mustOpen(t, opts)
	if digest(r) != before || total(t, r, "behind") != 20 {
		t.Fatalf("%s: opened again behind writes it's another", what)
	}
	mustClose(t, r)
}

// TestAWrongBitAnywhereLeavesNoDirectory flips bits of a backup, and cuts it short, at random: each is refused as damage
// with a place in the stream, and nothing is left.
func TestAWrongBitAnywhereLeavesNoDirectory(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db", SegmentBytes: 4096})
	fill(t, r, 1, 100)
	b := mustBackUp(t, r, host.BackupOptions{})
	mustClose(t, r)
	tries := 90
	if testing.Short() {
		tries = 6
	}
	for i := range tries {
		bad := bytes.Clone(b.bytes)
		at := rng.IntN(len(bad))
		if i%3 == 0 {
			bad = bad[:at]
		} else {
			bad[at] ^= 1 << rng.IntN(8)
		}
		mem := pebblevfs.NewMem()
		_, _, _, err := host.Restore(context.Background(), bytes.NewReader(bad), "db", host.RestoreOptions{FS: mem, SegmentBytes: smallSegment})
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || !strings.HasPrefix(damage.File, "backup") || damage.Offset > int64(at)+17 {
			t.Fatalf("byte %d of %d, cut short: %v: %v", at, len(b.bytes), len(bad) == at, err)
		}
		nothing(t, mem)
	}
}

// TestWhatAmountsToSomethingElseIsRefused changes what the frames say, and gives them hashes that are right: only what comes
// of it can tell.
func TestWhatAmountsToSomethingElseIsRefused(t *testing.T) {
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db"})
	fill(t, r, 1, 20)
	b := mustBackUp(t, r, host.BackupOptions{})
	mustClose(t, r)
	for name, change := range map[string]func(h *backup.Head, m *backup.Manifest){
		"nothing":                func(*backup.Head, *backup.Manifest) {},
		"the digest":             func(_ *backup.Head, m *backup.Manifest) { m.Digest[7] ^= 1 },
		"the digest of cells":    func(_ *backup.Head, m *backup.Manifest) { m.Cells[7] ^= 1 },
		"the vector":             func(_ *backup.Head, m *backup.Manifest) { m.Vector = m.Vector.With(id.Origin{Region: 7}, 1) },
		"the signals":            func(_ *backup.Head, m *backup.Manifest) { m.Signals++ },
		"the cluster":            func(h *backup.Head, _ *backup.Manifest) { h.Cluster[3] ^= 1 },
		"the checkpoint's entry": func(h *backup.Head, _ *backup.Manifest) { h.Stored-- },
		"the replica":            func(h *backup.Head, _ *backup.Manifest) { h.Replica = 0 },
	} {
		mem := pebblevfs.NewMem()
		_, _, _, err := host.Restore(context.Background(), bytes.NewReader(rewritten(t, b.bytes, change)), "db",
			host.RestoreOptions{FS: mem, SegmentBytes: smallSegment})
		if name == "nothing" {
			if err != nil {
				t.Errorf("written again as it was: %v", err)
			}
			continue
		}
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || !strings.HasPrefix(damage.File, "backup") {
			t.Errorf("another one of %s: %v", name, err)
		}
		nothing(t, mem)
	}
}

// rewritten reads a backup and writes it anew with another head and manifest.
func rewritten(t *testing.T, b []byte, change func(*backup.Head, *backup.Manifest)) []byte {
	t.Helper()
	m := manifestOf(t, b)
	r, err := backup.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h := r.Head()
	change(&h, &m)
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, h)
	for err == nil {
		var f backup.Frame
		if f, err = r.Next(); err != nil {
			break
		}
		switch f.Part {
		case backup.PartKeys:
			err = w.Keys(f.Payload)
		case backup.PartStore:
			err = w.Chunk(f.Payload)
		case backup.PartLog:
			for i := range f.Entries {
				err = errors.Join(err, w.Entry(&f.Entries[i]))
			}
		}
	}
	if errors.Is(err, io.EOF) {
		_, err = w.Close(m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func manifestOf(t *testing.T, b []byte) backup.Manifest {
	t.Helper()
	r, err := backup.NewReader(bytes.NewReader(b))
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return r.Manifest()
}

// nothing checks that a disk is as it was before a restore.
func nothing(t *testing.T, mem *pebblevfs.MemFS) {
	t.Helper()
	names, err := mem.List("")
	if err != nil || len(names) > 0 {
		t.Fatalf("a restore that was refused left %q (%v)", names, err)
	}
}

// TestTheLogStaysWhileItIsCopied holds a backup up in the middle while the log grows and the checkpoint follows: nothing
// of the log goes. When the backup is through, it does.
func TestTheLogStaysWhileItIsCopied(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 2048, Retention: briefly, RangeBytes: -1}
	r := mustOpen(t, opts)
	fill(t, r, 1, 100)
	held := &holding{began: make(chan struct{}), proceed: make(chan struct{})}
	done := make(chan error, 1)
	var m backup.Manifest
	go func() {
		var err error
		m, _, err = r.Backup(context.Background(), held, host.BackupOptions{})
		done <- err
	}()
	<-held.began
	before := len(segments(t, mem))
	fill(t, r, 101, 100)
	mustCheckpoint(t, r)
	fill(t, r, 201, 1)
	mustCheckpoint(t, r)
	fill(t, r, 202, 1)
	if got := len(segments(t, mem)); got <= before {
		t.Errorf("%d files of the log are there while it's copied, there were %d", got, before)
	}
	close(held.proceed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := manifestOf(t, held.Bytes()); got.Entries != m.Entries || m.Entries == 0 {
		t.Errorf("%d entries were copied", got.Entries)
	}
	fill(t, r, 203, 1)
	mustCheckpoint(t, r)
	fill(t, r, 204, 1)
	mustCheckpoint(t, r)
	fill(t, r, 205, 1)
	if got := len(segments(t, mem)); got > 3 {
		t.Errorf("%d files of the log are there when it was copied", got)
	}
	mustClose(t, r)
}

// holding is a writer that waits at its first write.
type holding struct {
	bytes.Buffer
	once           sync.Once
	began, proceed chan struct{}
}

func (h *holding) Write(b []byte) (int, error) {
	h.once.Do(func() {
		close(h.began)
		<-h.proceed
	})
	return h.Buffer.Write(b)
}

func TestCloseEndsABackup(t *testing.T) {
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db"})
	fill(t, r, 1, 10)
	held := &holding{began: make(chan struct{}), proceed: make(chan struct{})}
	copied, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := r.Backup(context.Background(), held, host.BackupOptions{})
		copied <- err
	}()
	<-held.began
	go func() { closed <- r.Close() }()
	// Until Close has begun, another backup is taken, or refused for want of time.
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_, _, err := r.Backup(ctx, io.Discard, host.BackupOptions{})
		cancel()
		if errors.Is(err, fault.ErrClosed) {
			break
		}
	}
	close(held.proceed)
	if err := <-copied; !errors.Is(err, fault.ErrClosed) {
		t.Errorf("the backup under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestABackupEndsWithItsContext(t *testing.T) {
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db"})
	fill(t, r, 1, 10)
	ctx, cancel := context.WithCancel(context.Background())
	held := &holding{began: make(chan struct{}), proceed: make(chan struct{})}
	copied := make(chan error, 1)
	go func() {
		_, _, err := r.Backup(ctx, held, host.BackupOptions{})
		copied <- err
	}()
	<-held.began
	cancel()
	close(held.proceed)
	if err := <-copied; !errors.Is(err, context.Canceled) {
		t.Errorf("a backup whose context ended: %v", err)
	}
	full := errors.New("full")
	if _, _, err := r.Backup(context.Background(), failingWriter{full}, host.BackupOptions{}); !errors.Is(err, full) {
		t.Errorf("a backup to what fails: %v", err)
	}
	mustBackUp(t, r, host.BackupOptions{})
	mustClose(t, r)
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }
