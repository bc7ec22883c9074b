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
func (n *links) join(ctx context.Context, now func() time.Time) (*Joined, error) {
	ctx, cancel := context.WithTimeout(ctx, n.group.JoinTimeout)
	defer cancel()
	pause := time.NewTicker(joinPause)
	defer pause.Stop()
	for {
		var last error
		for _, address := range n.group.Join {
			j, err := n.joinAt(ctx, address, now)
			if err == nil {
				return j, nil
			}
			last = fmt.Errorf("ask %s to join its group: %w", address, err)
			if final(err) {
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

// final reports whether asking again is in vain.
func final(err error) bool {
	return errors.Is(err, fault.ErrInput) || errors.Is(err, fault.ErrForeign) || errors.Is(err, fault.ErrClock) || refusedForGood(err)
}

func (n *links) joinAt(ctx context.Context, address string, now func() time.Time) (*Joined, error) {
	q := question{
		Kind: questionJoin, Wall: now().UnixMilli(), Address: n.address(), URL: n.group.URL,
	}
	a, err := n.ask(ctx, address, q)
	if err != nil {
		return nil, err
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	if a.Replica == 0 || len(a.Members) == 0 {
		return nil, fault.Refuse("answer", "gives no number, or names nobody")
	}
	return &a.Joined, nil
}

// makeJoined writes who a directory belongs to, durably. The caller holds the directory's lock.
func makeJoined(fsys vfs.FS, dir string, j *Joined) (identity, error) {
	made := j.identity()
	return made, made.write(fsys, dir)
}
