package transport_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// both returns the configurations that benchmarks compare.
func both(b *testing.B) map[string]*tls.Config {
	return map[string]*tls.Config{"plain": nil, "tls": newAuthority(b, "bench").node(b, "127.0.0.1")}
}

// line is a sender and a receiver that counts.
func line(b *testing.B, c *tls.Config, h transport.Handler) *transport.TCP {
	w := newWorld(b, transporttest.Limits{}, c)
	w.change = func(o *transport.Options) { o.KeepAlive, o.Idle = 0, 0 }
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: h})
	end := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: receiver(func(uint64, []byte) {})})
	end.SetPeer(2, w.address["b"])
	w.Until("a connection", func() bool { return !end.Stats()[0].Urgent.Connected.IsZero() })
	return w.ends["a"]
}

// BenchmarkFrames is how many frames of a size go through one urgent connection.
func BenchmarkFrames(b *testing.B) {
	for name, c := range both(b) {
		for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/size=%d", name, size), func(b *testing.B) {
				var got atomic.Int64
				done := make(chan struct{}, 1)
				want := int64(0)
				end := line(b, c, receiver(func(uint64, []byte) {
					if got.Add(1) == atomic.LoadInt64(&want) {
						done <- struct{}{}
					}
				}))
				payload := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					for errors.Is(end.Send(2, payload), transport.ErrBusy) {
						<-time.After(20 * time.Microsecond)
					}
				}
				atomic.StoreInt64(&want, int64(end.Stats()[0].Urgent.SentFrames)+int64(end.Stats()[0].Urgent.QueuedFrames))
				for got.Load() < int64(b.N) {
					select {
					case <-done:
					case <-time.After(time.Millisecond):
					}
				}
			})
		}
	}
}

// BenchmarkRaw is what the machine gives without frames: the same bytes by the library alone, in writes of 256 KiB.
func BenchmarkRaw(b *testing.B) {
	for name, c := range both(b) {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			defer l.Close()
			wg.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if c != nil {
					conn = tls.Server(conn, c)
				}
				_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{conn}, make([]byte, 256<<10))
			})
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			if c != nil {
				near := c.Clone()
				near.ServerName = "127.0.0.1"
				conn = tls.Client(conn, near)
			}
			buf := make([]byte, 256<<10)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if _, err := conn.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoundTrip is a small frame there and one back, alone and beside a stream of bulk frames; percentiles beside
// the mean.
func BenchmarkRoundTrip(b *testing.B) {
	for name, c := range both(b) {
		for _, stream := range []bool{false, true} {
			load := "idle"
			if stream {
				load = "under bulk"
			}
			b.Run(name+"/"+load, func(b *testing.B) { roundTrips(b, c, stream) })
		}
	}
}

func roundTrips(b *testing.B, c *tls.Config, stream bool) {
	w := newWorld(b, transporttest.Limits{}, c)
	w.change = func(o *transport.Options) { o.KeepAlive, o.Idle = 0, 0 }
	var far transport.Transport
	back := make(chan uint64, 1)
	far = w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: receiver(func(from uint64, frame []byte) {
		if len(frame) == 8 {
			_ = far.Send(from, frame)
		}
	})})
	near := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: receiver(func(_ uint64, frame []byte) {
		back <- binary.LittleEndian.Uint64(frame)
	})})
	near.SetPeer(2, w.address["b"])
	far.SetPeer(1, w.address["a"])
	for _, end := range []transport.Transport{near, far} {
		w.Until("a connection", func() bool { return !end.Stats()[0].Urgent.Connected.IsZero() })
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	if stream {
		chunk := make([]byte, 256<<10)
		wg.Go(func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				for near.SendBulk(2, chunk) == nil {
				}
				<-tick.C
			}
		})
	}
	var took []time.Duration
	n := uint64(0)
	for b.Loop() {
		n++
		began := time.Now()
		if err := near.Send(2, binary.LittleEndian.AppendUint64(nil, n)); err != nil {
			b.Fatal(err)
		}
		if got := <-back; got != n {
			b.Fatalf("frame %d came back as %d", n, got)
		}
		took = append(took, time.Since(began))
	}
	bulk := near.Stats()[0].Bulk.SentBytes
	stop()
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	if stream {
		b.ReportMetric(float64(bulk)/1e6/b.Elapsed().Seconds(), "bulk-MB/s")
	}
}
