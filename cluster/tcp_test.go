package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/certs"
)

// authority makes certificates for nodes on this machine.
type authority struct {
	t   testing.TB
	ca  certs.Pair
	dir string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	ca, err := certs.MakeCA("test", time.Now(), 10)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t, ca, t.TempDir()}
	if err := ca.Write(a.dir, "ca"); err != nil {
		t.Fatal(err)
	}
	return a
}

// config is that of a member over TCP and TLS.
func (a *authority) config(dir string, join ...string) Config {
	a.t.Helper()
	name := fmt.Sprintf("n%d", serial.Add(1))
	node, err := certs.MakeNode(a.ca, name, []string{"127.0.0.1"}, time.Now(), 5)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := node.Write(a.dir, name); err != nil {
		a.t.Fatal(err)
	}
	source, err := certs.Open(certs.Files{
		CA: a.dir + "/ca.crt", Certificate: a.dir + "/" + name + ".crt", Key: a.dir + "/" + name + ".key",
	}, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return Config{
		Dir: dir, Schema: testSchema(), Listen: "127.0.0.1:0", Join: join, TLS: source.TLS(), JoinTimeout: patience,
		// The founder leads throughout, however long the machine stands still.
		ElectionTimeout: 3 * time.Second,
	}
}

// serial names certificates of one process.
var serial atomic.Int64

// overTCP returns three members that vote, of which the first one founded.
func overTCP(t testing.TB) (members []*Member) {
	t.Helper()
	a := newAuthority(t)
	var join []string
	for range 3 {
		m, err := Start(a.config(t.TempDir(), join...))
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
		join = append(join, m.Address())
		t.Cleanup(func() {
			if err := m.Close(ended()); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		s, err := members[0].Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Members) == 3 && !slices.ContainsFunc(s.Members, func(m MemberStatus) bool { return m.Role == Learner }) {
			return members
		}
		if err := members[0].DB().Latest(ctx); err != nil { // takes a round trip
			t.Fatal(err)
		}
	}
}

func TestThreeMembersOverTLS(t *testing.T) {
	members := overTCP(t)
	for i := range uint64(20) {
		if _, err := members[0].DB().Write(t.Context(), view("p", i+1, "x")); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range members {
		if err := m.DB().Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := m.DB().Cell(t.Context(), "x", "view", time.Time{})
		if err != nil || c.Total != 20 {
			t.Errorf("member %d counts %d, %v", i, c.Total, err)
		}
		if i > 0 && m.DB().Digest() != members[0].DB().Digest() {
			t.Errorf("member %d has another digest", i)
		}
	}
	w := &world{t: t}
	w.until("the leader hears of both", func() bool {
		s, err := members[0].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(s.Members[1:], func(m MemberStatus) bool {
			return !m.Known || !m.Alive || m.Link.Connected.IsZero() || m.Link.Sent == 0 || m.Link.Received == 0
		})
	})
}

func TestNobodyIsLetInWithoutACertificate(t *testing.T) {
	a := newAuthority(t)
	m, err := Start(a.config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close(t.Context()) }()
	plain := Config{
		Dir: t.TempDir(), Schema: testSchema(), Listen: "127.0.0.1:0", Join: []string{m.Address()},
	}
	refused(t, plain, says("TLS"))
	other := newAuthority(t).config(t.TempDir(), m.Address())
	refused(t, other, says("certificate"))
	far := Config{Dir: t.TempDir(), Schema: testSchema(), Listen: "0.0.0.0:0"}
	if _, err := Start(far); !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("in plain at all addresses: %v", err)
	}
}

// BenchmarkWrite is a write through three members of one process over loopback TLS, each with a directory of its own on one
// disk: from call to answer, durable on two and visible at the leader.
func BenchmarkWrite(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, signals := range []int{1, 64} {
			b.Run(fmt.Sprintf("callers=%d/signals=%d", callers, signals), func(b *testing.B) {
				benchmarkWrite(b, callers, signals)
			})
		}
	}
}

func benchmarkWrite(b *testing.B, callers, signals int) {
	members := overTCP(b)
	var next atomic.Int64
	times := make([]time.Duration, b.N)
	b.ResetTimer()
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			records := make([]tidal.Record, signals)
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				for i := range records {
					k := (int(n)*signals + i) * 2654435761
					records[i] = tidal.Signal{Type: "view", Item: fmt.Sprint("i", k%10007), User: fmt.Sprint("u", k/7%10007)}
				}
				began := time.Now()
				if _, err := members[0].DB().Write(b.Context(), tidal.Request{Records: records}); err != nil {
					b.Error(err)
					return
				}
				times[n-1] = time.Since(began)
			}
		})
	}
	wait.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50_µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99_µs")
	b.ReportMetric(float64(b.N*signals)/b.Elapsed().Seconds(), "signals/s")
}

func TestTwoRegionsOverTLS(t *testing.T) {
	a := newAuthority(t)
	first, err := Start(a.config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close(ended()) }()
	c := a.config(t.TempDir())
	c.Region, c.RegionJoin, c.Schema = "eu-west", []string{first.Address()}, nil
	second, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close(ended()) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range uint64(20) {
		for j, way := range [][2]*Member{{first, second}, {second, first}} {
			receipt, err := way[0].DB().Write(ctx, view(fmt.Sprint("lane ", j), i+1, "x"))
			if err == nil {
				err = way[1].DB().Wait(ctx, receipt.Token())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &world{t: t}
	w.until("the digests are equal", func() bool { return first.DB().Digest() == second.DB().Digest() })
	for _, m := range []*Member{first, second} {
		w.until("both are heard of", func() bool {
			return !slices.ContainsFunc(m.Regions(), func(s tidal.RegionStatus) bool { return s.Unreachable || len(s.Refused) > 0 })
		})
	}
	plain := Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Region: "ap-south", RegionJoin: []string{first.Address()},
	}
	refused(t, plain, says("TLS"))
}
