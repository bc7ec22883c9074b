package replica_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// BenchmarkGroup runs a group of three in memory, in simulated time: disks and network take their time, the processor none.
// Clients send their next request a while after the last answer, at random. "signals/sim-s" is what they get; ns/op is the processor's time for one request of 64 signals at all three replicas.
func BenchmarkGroup(b *testing.B) {
	for _, c := range []struct{ disk, network int64 }{{200_000, 50_000}, {200_000, 1_000_000}, {5_000_000, 1_000_000}} {
		for _, clients := range []int{1, 16, 256} {
			for _, stamped := range []int{2, 64, 1024} {
				name := fmt.Sprintf("disk=%dus/network=%dus/clients=%d/stamped=%d", c.disk/1000, c.network/1000, clients, stamped)
				b.Run(name, func(b *testing.B) { benchmarkGroup(b, c.disk, c.network, clients, stamped) })
			}
		}
	}
}

func benchmarkGroup(b *testing.B, disk, network int64, clients, stamped int) {
	f := founded(b, 3, func(c *replica.Config) {
		c.Tracer, c.MaxStamped, c.MaxWaiting, c.Consensus.MaxUncommitted = nil, stamped, 4096, 64<<20
	})
	t := &timed{fleet: f, b: b, disk: disk, network: network, want: b.N, busy: map[uint64]bool{}, rng: rand.New(rand.NewPCG(1, 0))}
	for _, r := range f.rigs {
		r.quiet, r.forgetful = true, true
	}
	f.stepped = t.look
	began := t.now
	b.ReportAllocs()
	b.ResetTimer()
	for n := range clients {
		t.at(t.pause(), func() { t.send(uint64(n)) })
	}
	for t.done < b.N {
		t.next()
	}
	b.StopTimer()
	b.ReportMetric(float64(t.done)*64/(float64(t.now-began)/1e9), "signals/sim-s")
	b.ReportMetric(float64(t.latency)/float64(t.done)/1e3, "sim-us/request")
	b.ReportMetric(float64(t.done)/float64(max(t.batches, 1)), "requests/batch")
}

// timed is a fleet whose disks and network take time.
type timed struct {
	*fleet
	b             *testing.B
	disk, network int64
	rng           *rand.Rand
	now           int64
	agenda        agenda
	order         int
	busy          map[uint64]bool
	want, started int
	done, batches int
	latency       int64
	clients       map[uint64]waitingClient // by ticket
	records       []record.Proposed
}

type waitingClient struct {
	client uint64
	since  int64
}

type appointment struct {
	at    int64
	order int
	do    func()
}

type agenda []appointment

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (t *timed) at(delay int64, do func()) {
	t.order++
	heap.Push(&t.agenda, appointment{t.now + delay, t.order, do})
}

func (t *timed) next() {
	x := heap.Pop(&t.agenda).(appointment)
	t.now = x.at
	x.do()
}

// send lets a client send its next request of 64 signals.
func (t *timed) send(client uint64) {
	if t.started >= t.want {
		return
	}
	t.started++
	r := t.rigs[0]
	req := r.request(t.signals()...)
	if t.clients == nil {
		t.clients = map[uint64]waitingClient{}
	}
	t.clients[r.tickets+1] = waitingClient{client, t.now}
	r.propose(req)
	r.flush()
	t.after(r)
}

// pause is how long a client thinks: up to what an answer takes.
func (t *timed) pause() int64 { return t.rng.Int64N(2*t.network + t.disk) }

func (t *timed) signals() []record.Proposed {
	if t.records == nil {
		for i := range 64 {
			t.records = append(t.records, signal(0, fmt.Sprint("user", i), fmt.Sprint("item", i)))
		}
	}
	return slices.Clone(t.records)
}

// look takes what a rig wants done.
func (t *timed) look(r *rig) {
	n := r.cfg.Consensus.Replica
	for len(r.applies) > 0 {
		r.check(r.apply())
	}
	t.mail = append(t.mail, r.mail...)
	r.mail = nil
	for _, p := range t.mail {
		t.at(t.network, func() { t.deliver(p) })
	}
	t.mail = nil
	if len(r.appends) > 0 && !t.busy[n] {
		t.work(r)
	}
	for ticket, reply := range r.replies {
		delete(r.replies, ticket)
		if reply.Err != nil {
			t.b.Fatal(reply.Err)
		}
		if c, ok := t.clients[ticket]; ok {
			delete(t.clients, ticket)
			t.done++
			t.latency += t.now - c.since
			t.at(t.pause(), func() { t.send(c.client) })
		}
	}
}

// work lets a disk write and sync all that it has been given, as one group.
func (t *timed) work(r *rig) {
	n, group := r.cfg.Consensus.Replica, len(r.appends)
	t.busy[n] = true
	took := int64(1000)
	for _, a := range r.appends {
		if a.Sync {
			took = t.disk
		}
		if n == 1 {
			t.batches += countBatches(a)
		}
	}
	t.at(took, func() {
		t.busy[n] = false
		for range group {
			r.check(r.persist())
		}
		t.after(r)
	})
}

func countBatches(a *consensus.Append) int {
	n := 0
	for _, e := range a.Entries {
		if e.Kind == consensus.Batch {
			n++
		}
	}
	return n
}
