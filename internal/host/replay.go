package host

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/wal"
)

// replayBytes is how much of the log is read at a time.
const replayBytes = 4 << 20

// replay applies the log behind the checkpoint up to its commit index, and returns what consensus must know. Entries
// behind the commit index are handed to consensus, which commits them again or not. A reader, who can't ask consensus,
// takes them as they are in a group of one, where everything durable is committed; of a group of many it sees what is known
// to be.
func (b *Base) replay() (consensus.Restored, error) {
	hs := b.Log.HardState()
	out := b.checkpointed
	out.HardState = consensus.HardState{Term: hs.Term, Vote: hs.Vote, Commit: hs.Commit}
	if planted.ForgetVote {
		out.HardState.Vote = 0
		out.HardState.Term, _ = b.Log.Term(b.Log.LastIndex())
	}
	commit := hs.Commit
	if last := b.Log.LastIndex(); commit > last {
		return out, fault.Damaged(b.opts.FS.PathJoin(b.opts.Dir, logDir), 0,
			"hard state says that entry %d is committed, the log ends at %d", commit, last)
	}
	b.applied.Store(out.Applied)
	b.place = consensus.Restored{Applied: out.Applied, AppliedTerm: out.AppliedTerm, Members: out.Members}
	for next := out.Applied + 1; next <= b.Log.LastIndex(); {
		entries, err := b.Log.Entries(next, b.Log.LastIndex()+1, replayBytes)
		if err != nil {
			return out, fmt.Errorf("read log at entry %d: %w", next, err)
		}
		for _, e := range entries {
			entry := consensus.Entry{Kind: fromLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
			if e.Index > commit && !b.takesAll(out.Members) {
				out.Tail = append(out.Tail, entry)
				continue
			}
			if err := b.replayEntry(&out, entry); err != nil {
				return out, fmt.Errorf("replay entry %d: %w", e.Index, err)
			}
		}
		next += uint64(len(entries))
	}
	if planted.LoseLanes {
		*b.Engine.Lanes() = *lane.New(lane.Options{})
	}
	return out, nil
}

// takesAll reports whether everything in the log is taken for committed: by who only reads, where nobody else votes.
func (b *Base) takesAll(m consensus.Members) bool {
	voters := len(m.Voters())
	return b.opts.ReadOnly && (voters == 1 || voters == 0 && !b.identity.Joined)
}

func (b *Base) replayEntry(out *consensus.Restored, e consensus.Entry) error {
	if e.Kind == consensus.Batch {
		if _, err := b.Engine.ApplyEntry(e.Data); err != nil {
			return err
		}
		if planted.ApplyTwice && e.Index == b.Log.HardState().Commit {
			_, _ = b.Engine.ApplyEntry(e.Data)
		}
	}
	err := b.now(e)
	out.Applied, out.AppliedTerm, out.Members = b.place.Applied, b.place.AppliedTerm, b.place.Members
	return err
}

// now notes that an entry is applied.
func (b *Base) now(e consensus.Entry) error {
	if e.Kind == consensus.Configuration {
		members, err := b.place.Members.After(e)
		if err != nil {
			return err
		}
		b.place.Members = members
	}
	b.place.Applied, b.place.AppliedTerm = e.Index, e.Term
	bytes := b.appliedBytes.Add(int64(len(e.Data)))
	b.applied.Store(e.Index)
	b.streams.take(&e)
	if e.Kind == consensus.Configuration {
		b.configured.Add(1)
	}
	if b.opts.ReadOnly {
		return nil // nothing follows
	}
	pressed := b.remember(e)
	if pressed || b.opts.RangeBytes > 0 && bytes-b.storedBytes.Load() >= b.opts.RangeBytes {
		b.wake()
	}
	return nil
}

// wantCheckpoint has the checkpoint follow soon: a member needs a snapshot.
func (b *Base) wantCheckpoint() {
	b.wanted.Store(true)
	b.wake()
}

// wake tells the follower that there is something to do.
func (b *Base) wake() {
	select {
	case b.gathered <- struct{}{}:
	default:
	}
}

func fromLog(k wal.Kind) consensus.Kind {
	switch k {
	case wal.KindBatch:
		return consensus.Batch
	case wal.KindEmpty:
		return consensus.Empty
	case wal.KindConfiguration:
		return consensus.Configuration
	}
	panic(fmt.Sprintf("host: entry of kind %v in the log", k))
}

func toLog(k consensus.Kind) wal.Kind {
	switch k {
	case consensus.Batch:
		return wal.KindBatch
	case consensus.Empty:
		return wal.KindEmpty
	case consensus.Configuration:
		return wal.KindConfiguration
	}
	panic(fmt.Sprintf("host: entry of kind %d from consensus", k))
}

// original looks for a position that this group stamped, in this incarnation or an earlier one.
func (b *Base) original(p id.Position) (record.Compensation, error) {
	missing := fmt.Errorf("signal %v: %w", p, fault.ErrNotFound)
	if own := b.Origin(); p.Region != own.Region || p.Shard != own.Shard || p.IsZero() {
		return record.Compensation{}, missing
	}
	found, err := b.streams.Read(p.Origin(), p.Seq-1, 1)
	if errors.Is(err, fault.ErrGone) {
		return record.Compensation{}, fmt.Errorf("signal %v: there is none, or its part of the log was let go: %w", p, fault.ErrNotFound)
	}
	if err != nil || len(found) == 0 {
		return record.Compensation{}, errors.Join(missing, err)
	}
	batch, err := record.Open(found[0])
	if err != nil {
		return record.Compensation{}, fmt.Errorf("open batch of %v: %w", p, err)
	}
	return originalIn(&batch, p, missing)
}

func originalIn(b *record.Batch, p id.Position, missing error) (record.Compensation, error) {
	for rec, err := range b.Records() {
		if err != nil {
			return record.Compensation{}, fmt.Errorf("read batch of %v: %w", p, err)
		}
		if rec.Seq != p.Seq || rec.Kind != record.KindSignal {
			continue
		}
		c := record.Compensation{Original: p, Time: rec.Meta.Time, Schema: b.Ext.Schema}
		if err := record.DecodeSignal(rec.Body, &c.Signal); err != nil {
			return record.Compensation{}, fmt.Errorf("read signal %v: %w", p, err)
		}
		return c, nil
	}
	return record.Compensation{}, missing
}
