package host_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/vfs"
)

// BenchmarkSnapshot sends a snapshot of a database on disk to an empty directory, as packets and one chunk at a time, with
// nothing in between: what a network could carry at most. It prints how fast chunks go from store to store, how long the engine
// takes that's made of them, and for how long the receiver stands still while all of it is exchanged.
func BenchmarkSnapshot(b *testing.B) {
	ctx := context.Background()
	r, err := open(host.Options{Dir: b.TempDir(), RangeBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	for round := range 40 {
		var wide []record.Proposed
		for i := range 4000 {
			n := round*4000 + i
			wide = append(wide, views(fmt.Sprintf("user %d", n%50000), fmt.Sprintf("item %d", n*7%90001), 1)...)
		}
		if _, err := write0(r, wide); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Checkpoint(ctx); err != nil {
		b.Fatal(err)
	}
	from := host.BaseOf(r).Snapshots()
	var bytes int64
	var pull, prepare, install time.Duration
	for b.Loop() {
		dir := b.TempDir()
		if err := host.JoinDir(vfs.Default, dir, r, 2); err != nil {
			b.Fatal(err)
		}
		to, err := host.OpenBase(host.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		at := do(b, from, replica.SnapWork{Kind: replica.SnapOpen, Peer: 2}).Instant
		do(b, to.Snapshots(), replica.SnapWork{Kind: replica.SnapBegin, Peer: 1, Instant: at})
		for p, last := (replica.SnapProgress{}), false; !last; {
			x := do(b, from, replica.SnapWork{Kind: replica.SnapRead, Peer: 2, Instant: at, Progress: p})
			sent := replica.Packet{
				To: 2, From: 1, Kind: replica.PacketSnapChunk, Snap: &replica.Snap{Instant: at, Progress: p, Chunk: x.Chunk},
			}
			got, err := replica.DecodePacket(sent.Append(nil))
			if err != nil {
				b.Fatal(err)
			}
			bytes += int64(len(x.Chunk))
			added := do(b, to.Snapshots(), replica.SnapWork{Kind: replica.SnapAdd, Peer: 1, Instant: at, Chunk: got.Snap.Chunk})
			p, last = added.Progress, added.Last
		}
		do(b, from, replica.SnapWork{Kind: replica.SnapClose, Peer: 2})
		pull += time.Since(began)
		began = time.Now()
		do(b, to.Snapshots(), replica.SnapWork{Kind: replica.SnapPrepare, Peer: 1, Instant: at})
		prepare += time.Since(began)
		began = time.Now()
		if err := to.Snapshots().Install(host.NewJournal(to.Log, func() int64 { return 0 }).Reset); err != nil {
			b.Fatal(err)
		}
		install += time.Since(began)
		if err := to.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(bytes)/1e6/float64(b.N), "MB")
	b.ReportMetric(float64(bytes)/1e6/pull.Seconds(), "MB/s")
	b.ReportMetric(float64(prepare.Milliseconds())/float64(b.N), "prepare-ms")
	b.ReportMetric(float64(install.Milliseconds())/float64(b.N), "install-ms")
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}

func do(b *testing.B, x *host.Snapshots, w replica.SnapWork) replica.SnapResult {
	b.Helper()
	r, err := x.Do(w)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		b.Fatalf("task %d: %v", w.Kind, err)
	}
	return r
}
