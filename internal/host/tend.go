package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport"
)

// tending is the goroutine that sees to what a member of a group needs beside Raft: others' clocks, its own address, whether it
// still is a member, and newcomers that never came.
type tending struct {
	r     *Replica
	stops context.CancelFunc
	ended chan struct{}

	lost   int64            // since when nobody led, of the monotonic clock; 0 while somebody does
	clocks int64            // when clocks were asked last
	asked  int              // whom the last question went to
	silent map[uint64]int64 // since when a learner was never heard of
	// Who led when it was looked last, and since when, or since when it's believed to be where it's now.
	leader uint64
	since  int64
	// When the addresses of other regions were asked last, and which.
	sought   int64
	askedFar int
	warned   string
}

// tendEvery is how often the goroutine looks.
const tendEvery = 250 * time.Millisecond

// learnerGiven is how long a learner may take until it is first heard of.
const learnerGiven = time.Minute

func (r *Replica) startTending() {
	ctx, stop := context.WithCancel(context.Background())
	r.tends = &tending{r: r, stops: stop, ended: make(chan struct{}), silent: map[uint64]int64{}}
	go r.tends.run(ctx)
}

// stop ends the goroutine and waits for it.
func (t *tending) stop() {
	if t != nil {
		t.stops()
		<-t.ended
	}
}

func (t *tending) run(ctx context.Context) {
	defer close(t.ended)
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.r.loop.ended:
			return
		case <-ticker.C:
		}
		if err := t.tend(ctx); err != nil {
			t.r.loop.fail(ctx, err)
			return
		}
	}
}

// tend looks once. An error says that this replica must stop.
func (t *tending) tend(ctx context.Context) error {
	mono, h := t.r.loop.mono(), t.r.loop.here()
	if t.clocks == 0 || mono-t.clocks >= int64(clockEvery) {
		t.clocks = mono
		t.r.links.askClocks(mono)
	}
	t.seekRegions(ctx, mono)
	if err := t.r.links.removed(); err != nil {
		return err
	}
	if h.leader != t.leader {
		t.leader, t.since = h.leader, mono
	}
	switch {
	case h.leader == 0 && t.lost == 0:
		t.lost = mono
	case h.leader != 0:
		t.lost = 0
	}
	if t.lost != 0 && mono-t.lost > 3*int64(t.r.links.group.election()) {
		return t.seek(ctx)
	}
	if h.leader == 0 {
		return nil
	}
	if t.unanswered(mono, h) {
		if err := t.seek(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 4*t.r.links.group.election())
	defer cancel()
	t.readdress(ctx, h)
	if h.leading {
		if t.r.clockWrong() != nil {
			_ = t.r.transfer(ctx, 0) // it's tried again, and nothing is stamped meanwhile
			return nil
		}
		t.forget(ctx, mono)
		t.tellRegions(ctx)
	}
	return nil
}

// unanswered reports whether what this member says seems not to reach who leads: it's asked what time it is, and doesn't answer. It may
// have moved while this one was away, so that this one hears it, and answers where it was.
func (t *tending) unanswered(mono int64, h *here) bool {
	return h.leader != h.self && mono-max(t.since, t.r.links.clocks.answered(h.leader)) > int64(3*clockEvery)
}

// seek asks one of the others, of whom nobody leads as far as is known here, or who leads doesn't answer, whether this replica still is a
// member, and where who leads is.
func (t *tending) seek(ctx context.Context) error {
	r := t.r
	addresses := slices.Clone(r.links.group.Join)
	for _, m := range append(r.loop.here().members.List(), r.base.identity.told()...) {
		if m.Number != r.base.identity.Replica && m.Address != "" {
			addresses = append(addresses, m.Address)
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	t.asked = (t.asked + 1) % len(addresses)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	a, err := r.links.ask(ctx, addresses[t.asked], question{
		Kind: questionWhere, Incarnation: r.base.identity.Incarnation, Number: r.base.identity.Replica,
		Wall: r.loop.now().Wall / 1e6,
	})
	if err != nil {
		return nil //nolint:nilerr // somebody else is asked next time
	}
	if err := a.err(); errors.Is(err, fault.ErrRemoved) || errors.Is(err, fault.ErrForeign) {
		return err
	}
	if err := t.moved(ctx, addresses[t.asked], &a); err != nil {
		return err
	}
	for _, m := range a.Members {
		if m.Number == t.leader && t.leader != 0 && r.links.find(m.Number, m.Address) {
			t.since = r.loop.mono() // it gets the time to answer there
		}
	}
	if r.loop.here().members.Highest() < a.Highest {
		r.links.know(a.Members, a.Highest) // they moved while this one was away
	}
	return nil
}

// moved has the leader told, by whoever has answered, that this member isn't any more where the others believe it to be: they
// send nothing here, so that it doesn't learn who leads. An error says that somebody else is there, under its number.
func (t *tending) moved(ctx context.Context, through string, a *answer) error {
	r := t.r
	i := slices.IndexFunc(a.Members, func(m consensus.Member) bool { return m.Number == r.base.identity.Replica })
	if i < 0 || a.Members[i].Address == r.links.address() {
		return nil
	}
	told, err := r.links.ask(ctx, through, question{
		Kind: questionReaddress, Incarnation: r.base.identity.Incarnation, Number: r.base.identity.Replica,
		Wall: r.loop.now().Wall / 1e6, Address: r.links.address(), URL: r.links.group.URL,
	})
	if err == nil && told.Code == answerRefused {
		return told.err()
	}
	return nil // it's asked again
}

// readdress tells the group where this member is, if it believes otherwise.
func (t *tending) readdress(ctx context.Context, h *here) {
	r := t.r
	m, ok := h.members.Get(h.self)
	if !ok || m.Address == r.links.address() && m.URL == r.links.group.URL {
		return
	}
	// If it fails, it's tried again.
	_ = r.have(ctx, question{Kind: questionReaddress, Number: h.self, Address: r.links.address(), URL: r.links.group.URL})
}

// forget takes out a learner that was never heard of: the answer to its question was lost, or it died before it had it.
func (t *tending) forget(ctx context.Context, mono int64) {
	status, err := t.r.status(ctx)
	if err != nil {
		return
	}
	for _, m := range status.Members {
		if !m.Learner || !m.Known || m.Alive || status.reached(m.Number) {
			delete(t.silent, m.Number)
			continue
		}
		since, ok := t.silent[m.Number]
		if !ok {
			t.silent[m.Number] = mono
			continue
		}
		if mono-since > int64(learnerGiven) {
			_ = t.r.change(ctx, consensus.Change{Kind: consensus.Remove, Member: m.Member}) // or next time
			return
		}
	}
}

// fail ends the loop with an error.
func (l *loop) fail(ctx context.Context, err error) {
	_ = l.do(ctx, func() { l.stopping = err })
}

// refusedForGood reports whether the other side's refusal is one that asking again doesn't mend.
func refusedForGood(err error) bool {
	var no *transport.Refusal
	if !errors.As(err, &no) {
		return false
	}
	switch no.Reason {
	case transport.ReasonCluster, transport.ReasonGroup, transport.ReasonVersion, transport.ReasonPlain:
		return true
	default:
		return false
	}
}

// foreign is a refusal because of another cluster or group, as everybody else says it.
func foreign(err error) error {
	var no *transport.Refusal
	if errors.As(err, &no) && (no.Reason == transport.ReasonCluster || no.Reason == transport.ReasonGroup) {
		return fmt.Errorf("%w: %w", fault.ErrForeign, err)
	}
	return err
}
