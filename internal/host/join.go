package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// A replica joins by asking. What it is told is written into its directory before anything else is done; if the answer is
// lost, or the process ends before that, it asks again and gets another number. The lost one is a member without a life, which
// has no vote, and which the leader takes out after a while; see replica.forget.

// joinPause is between two rounds of asking.
const joinPause = 200 * time.Millisecond

// join asks the members that the group names, one after the other, until one takes this replica in.
func (n *links) join(ctx context.Context, c clock) (*Joined, error) {
	ctx, cancel := context.WithTimeout(ctx, n.group.JoinTimeout)
	defer cancel()
	pause := time.NewTicker(joinPause)
	defer pause.Stop()
	var last error
	for {
		for _, address := range n.group.Join {
			j, err := n.joinAt(ctx, address, c)
			if err == nil {
				return j, nil
			}
			if last = telling(ctx, last, fmt.Errorf("ask %s to join its group: %w", address, err)); final(err) {
				return nil, last
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-n.quit:
			return nil, fault.ErrClosed
		}
	}
}

// telling chooses which of two refusals, one after the other, is worth being told: the newer one, unless time ran out in the middle of
// it.
func telling(ctx context.Context, before, now error) error {
	if before != nil && ctx.Err() != nil && !final(now) {
		return before
	}
	return now
}

// final reports whether asking again is in vain.
func final(err error) bool {
	return errors.Is(err, fault.ErrInput) || errors.Is(err, fault.ErrForeign) || errors.Is(err, fault.ErrClock) || refusedForGood(err)
}

func (n *links) joinAt(ctx context.Context, address string, c clock) (*Joined, error) {
	a, err := n.askWith(ctx, address, c, question{Kind: questionJoin, Address: n.address(), URL: n.group.URL})
	if err != nil {
		return nil, err
	}
	if a.Replica == 0 || len(a.Members) == 0 {
		return nil, fault.Refuse("answer", "gives no number, or names nobody")
	}
	return &a.Joined, nil
}

// clock is a newcomer's own, and how far it may be away from those of others.
type clock struct {
	now   func() time.Time
	bound time.Duration
}

// askWith asks one address what has to say what time it is. An answer that refuses is an error.
func (n *links) askWith(ctx context.Context, address string, c clock, q question) (answer, error) {
	sent := c.now()
	q.Wall = sent.UnixMilli()
	a, err := n.ask(ctx, address, q)
	if err == nil {
		err = hasty(a.err(), sent, c.now(), time.UnixMilli(a.Wall), c.bound)
	}
	return a, err
}

// lookBound is how long an existing directory's owner looks whether the members that it was told to join know it.
const lookBound = time.Second

// known asks the members that the group names whether this one is of their group. Only a clear no is an error: they may be
// down, or it may be them who are waited for.
func (n *links) known(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, lookBound)
	defer cancel()
	who := n.who.Load()
	q := question{Kind: questionWhere, Incarnation: who.Incarnation, Number: who.Replica, Wall: now.UnixMilli()}
	for _, address := range n.group.Join {
		a, err := n.ask(ctx, address, q)
		if err == nil {
			err = a.err()
		}
		if err = foreign(err); errors.Is(err, fault.ErrForeign) || errors.Is(err, fault.ErrRemoved) {
			return fmt.Errorf("ask %s, which this member was told to join: %w", address, err)
		}
		if err == nil {
			return nil
		}
	}
	return nil
}

// makeJoined writes who a directory belongs to, durably. The caller holds the directory's lock.
func makeJoined(fsys vfs.FS, dir string, j *Joined) (identity, error) {
	made := j.identity()
	return made, made.write(fsys, dir)
}
