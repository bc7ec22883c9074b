package tidal_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// load writes to a database with 64 requests of 64 signals under way, until stopped.
type load struct {
	db      *tidal.DB
	written atomic.Int64
	next    atomic.Int64
	stop    chan struct{}
	wg      sync.WaitGroup
}

func startLoad(b *testing.B, db *tidal.DB) *load {
	l := &load{db: db, stop: make(chan struct{})}
	for range 64 {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				request := make([]tidal.Signal, 64)
				for j := range request {
					k := l.next.Add(1) * 7919
					request[j] = tidal.Signal{
						Type: "view", User: fmt.Sprint("user-", k%200_000), Item: fmt.Sprint("item-", k/3%100_000),
					}
				}
				if _, err := db.Signals(context.Background(), request...); err != nil {
					b.Error(err)
					return
				}
				l.written.Add(64)
			}
		})
	}
	return l
}

func (l *load) until(n int64) {
	for l.written.Load() < n {
		<-time.After(10 * time.Millisecond)
	}
}

func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

// BenchmarkBackup backs up a database of two million signals by 200,000 users: when nobody writes, and, in turns with and
// without a backup, while 64 requests of 64 signals are under way; then restores what was backed up. docs/operations.md has
// the figures.
func BenchmarkBackup(b *testing.B) {
	db, err := tidal.Open(b.TempDir(), schema.Events(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	l := startLoad(b, db)
	l.until(2_000_000)
	l.end()
	for _, c := range []struct {
		name string
		copy func(context.Context, io.Writer) (tidal.BackupInfo, error)
	}{{"whole", db.Backup}, {"state", db.BackupState}} {
		b.Run(c.name, func(b *testing.B) {
			began, bytes := processorSeconds(), int64(0)
			for b.Loop() {
				info, err := c.copy(ctx, io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(info.Bytes)
				bytes += info.Bytes
			}
			b.ReportMetric(float64(bytes)/1e6/(processorSeconds()-began), "MB/cpu-s")
		})
	}
	b.Run("while written to", func(b *testing.B) { benchmarkBusy(b, db) })
	var whole bytes.Buffer
	if _, err := db.Backup(ctx, &whole); err != nil {
		b.Fatal(err)
	}
	b.Run("restore", func(b *testing.B) {
		b.SetBytes(int64(whole.Len()))
		began, n := processorSeconds(), 0
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "db")
			if _, err := tidal.Restore(ctx, bytes.NewReader(whole.Bytes()), dir, nil); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(n*whole.Len())/1e6/(processorSeconds()-began), "MB/cpu-s")
	})
}

// processorSeconds is how much processor time this process took so far.
func processorSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// benchmarkBusy measures turns of a second at least, every other one for as long as a backup takes.
func benchmarkBusy(b *testing.B, db *tidal.DB) {
	l := startLoad(b, db)
	defer l.end()
	rate := func(during func()) (perSecond float64) {
		began, before := time.Now(), l.written.Load()
		during()
		return float64(l.written.Load()-before) / time.Since(began).Seconds()
	}
	var without, with, bytes, seconds float64
	turns := 0
	for b.Loop() {
		turns++
		without += rate(func() { <-time.After(3 * time.Second) })
		with += rate(func() {
			began := time.Now()
			info, err := db.Backup(ctx, io.Discard)
			if err != nil {
				b.Error(err)
			}
			bytes += float64(info.Bytes)
			seconds += time.Since(began).Seconds()
		})
	}
	b.ReportMetric(without/float64(turns), "signals/s-without")
	b.ReportMetric(with/float64(turns), "signals/s-with")
	b.ReportMetric(bytes/seconds/1e6, "MB/s-with")
}
