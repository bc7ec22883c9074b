// Package transporttest is the suite that every form of the transport passes.
//
//	func TestConformance(t *testing.T) { transporttest.Run(t, newWorld) }
//
// It asks for what all forms promise, by the interface alone; what only one of them has, such as certificates, its own
// tests look at. It is for tests.
package transporttest

import (
	"context"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/transport"
)

// Member is one end of a world.
type Member struct {
	Identity func() transport.Identity
	Handler  transport.Handler
	Admit    func(transport.Identity) error
	Regions  bool
	Refused  func(address string, why *transport.Refusal)
}

// Limits are those of every member of a world; zero: the form's own.
type Limits struct {
	MaxFrame, QueueFrames int
	QueueBytes            int64
}

// World is one form of the network, with members by name. Whatever is left at the test's end it closes.
type World interface {
	// Join starts a member. A name that has been closed may be used again, and has its old address.
	Join(name string, m Member) transport.Transport
	// Route is the address by which one member reaches another that has joined.
	Route(from, to string) string
	// Cut loses what one member sends to another, Mend undoes it.
	Cut(from, to string)
	Mend(from, to string)
	// Until lets time pass until a condition holds, and fails the test if it never does.
	Until(what string, holds func() bool)
	// Stepped says that nothing happens but within Until, on the test's own goroutine.
	Stepped() bool
}

// Run runs the suite over one form.
func Run(t *testing.T, form func(t *testing.T, l Limits) World) {
	for _, c := range []struct {
		name   string
		limits Limits
		test   func(t *testing.T, w World)
	}{
		{"order", Limits{}, order},
		{"big frames", Limits{MaxFrame: 3 << 20}, bigFrames},
		{"queues are bounded by frames", Limits{QueueFrames: 16}, boundedFrames},
		{"queues are bounded by bytes", Limits{MaxFrame: 1 << 16, QueueBytes: 1 << 18}, boundedBytes},
		{"classes don't wait for each other", Limits{QueueFrames: 4}, classes},
		{"peers come and go", Limits{}, peers},
		{"strangers", Limits{}, strangers},
		{"another's address", Limits{}, wrongNumber},
		{"regions", Limits{MaxFrame: 1 << 20}, regions},
		{"not admitted", Limits{}, notAdmitted},
		{"two of one number", Limits{}, overlap},
		{"addresses are learned", Limits{}, learned},
		{"a cut", Limits{}, cut},
		{"a restart", Limits{}, restart},
		{"connections are told", Limits{}, connections},
		{"many peers", Limits{}, many},
		{"questions", Limits{MaxFrame: 1 << 20}, questions},
		{"questions end", Limits{}, questionsEnd},
		{"questions of strangers", Limits{}, questionsOfStrangers},
		{"close while sending", Limits{}, closeWhileSending},
		{"closed", Limits{}, closed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, form(t, c.limits)) })
	}
}

// cluster is the identity of everybody who isn't a stranger.
var cluster = [16]byte{1, 2, 3}

// Who is the identity of a replica in the suite's cluster.
func Who(number uint64) func() transport.Identity {
	return func() transport.Identity {
		return transport.Identity{Cluster: cluster, Region: 1, Shard: 2, Replica: number, Version: 9}
	}
}

// Away is the identity of a replica in another region.
func Away(region uint16, number uint64) func() transport.Identity {
	return func() transport.Identity {
		return transport.Identity{Cluster: cluster, Region: region, Shard: 2, Replica: number, Version: 9}
	}
}

// inbox is a handler that keeps what comes, and can be held up.
type inbox struct {
	mu   sync.Mutex
	got  map[uint64][][]byte
	hold func(from uint64, frame []byte) // may block
	ask  func(ctx context.Context, from uint64, request []byte) ([]byte, error)
}

func (b *inbox) Receive(from uint64, frame []byte) {
	if b.hold != nil {
		b.hold(from, frame)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got == nil {
		b.got = map[uint64][][]byte{}
	}
	b.got[from] = append(b.got[from], frame)
}

func (b *inbox) Answer(ctx context.Context, from uint64, request []byte) ([]byte, error) {
	return b.ask(ctx, from, request)
}

// from returns what one replica has sent so far.
func (b *inbox) from(n uint64) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[n]
}

func (b *inbox) count(n uint64) int { return len(b.from(n)) }

// refusals keeps why connections were refused.
type refusals struct {
	mu  sync.Mutex
	all []*transport.Refusal
}

func (r *refusals) add(_ string, why *transport.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, why)
}

// has returns the first refusal for a reason, or nil.
func (r *refusals) has(reason transport.Reason) *transport.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, why := range r.all {
		if why.Reason == reason {
			return why
		}
	}
	return nil
}
