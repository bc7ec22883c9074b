package consensus

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// tail is Raft's view of the log: the entries behind what was applied, and some before that for followers, in
// memory. What is older is read from the log's files, for followers that lag by more.
type tail struct {
	hard    HardState
	members Members
	entries []*pb.Entry // entries[0] is a stand-in for the last compacted entry: index and term only
	bytes   int         // data bytes of entries
	older   Older       // nil for none
	failed  error       // of reading older entries

	checkpoint *pb.Snapshot // what can be served, nil for nothing
	lacking    bool         // Raft wanted one in vain
}

// Older reads entries that were written and applied from the log's files. They never change; the oldest go by and by.
type Older interface {
	// FirstIndex is the first entry that is there, or will be.
	FirstIndex() uint64
	// Entries returns those from lo on and before hi: at least one, and as many as have at most maxBytes of data. The
	// error is [fault.ErrNotFound] when lo is gone; any other is the disk's.
	Entries(lo, hi uint64, maxBytes int) ([]Entry, error)
	// Term returns the term of an entry, also of the one in front of the first if it is known. Errors are as above.
	Term(i uint64) (uint64, error)
}

// Followers that lag by less than this are served from memory.
const (
	keptEntries = 1024
	keptBytes   = 16 << 20
)

func newTail(cfg Config) (*tail, error) {
	r, err := settle(cfg.Restored, cfg.Joining)
	if err != nil {
		return nil, fmt.Errorf("restored log: %w", err)
	}
	t := &tail{hard: r.HardState, members: r.Members, older: cfg.Older}
	t.entries = []*pb.Entry{{Index: new(r.Applied), Term: new(r.AppliedTerm)}}
	for _, e := range r.Tail {
		raw, err := toRaft(e)
		if err != nil {
			return nil, err
		}
		t.entries = append(t.entries, raw)
		t.bytes += len(e.Data)
	}
	return t, nil
}

// settle checks what the disk gave back, and brings it to what Raft expects, where a crash may have left less than
// that without anything being lost. An append writes its entries before its hard state, and a commit alone is written
// without a sync; hence three cases:
//
//   - The very first append was torn: the entry that founds the group is there, its hard state isn't. Nothing was
//     promised to anyone, so the group is founded again. A replica that joins begins anew likewise, whatever came first.
//   - A later append was torn behind entries of a new term: the term is raised to theirs. No vote was given in it, or
//     a hard state that says so would be durable.
//   - The store holds entries whose commit didn't reach the disk: what was applied was committed.
func settle(r Restored, joining bool) (Restored, error) {
	index, term := r.Applied, r.AppliedTerm
	for _, e := range r.Tail {
		if e.Index != index+1 || e.Term < term {
			return r, fmt.Errorf("entry %d of term %d follows entry %d of term %d", e.Index, e.Term, index, term)
		}
		index, term = e.Index, e.Term
	}
	h := &r.HardState
	switch {
	case *h == HardState{} && r.Applied == 0 && joining,
		*h == HardState{} && r.Applied == 0 && len(r.Tail) == 1 && r.Tail[0].Kind == Configuration:
		r.Tail = nil
		return r, nil
	case *h == HardState{} && index > 0:
		return r, fmt.Errorf("entries up to %d without a hard state", index)
	case h.Term < r.AppliedTerm:
		return r, fmt.Errorf("applied entry %d is of term %d, the hard state of term %d",
			r.Applied, r.AppliedTerm, h.Term)
	case h.Commit > index:
		return r, fmt.Errorf("commit %d is outside %d…%d", h.Commit, r.Applied, index)
	}
	if term > h.Term {
		h.Term, h.Vote = term, 0
	}
	h.Commit = max(h.Commit, r.Applied)
	return r, nil
}

// append adds entries that are written; an index already held voids it and what follows.
func (t *tail) append(entries []*pb.Entry) {
	first := entries[0].GetIndex()
	if first <= t.offset() || first > t.lastIndex()+1 {
		panic(fmt.Sprintf("consensus: append at %d to a tail of %d…%d", first, t.offset(), t.lastIndex()))
	}
	for _, e := range t.entries[first-t.offset():] {
		t.bytes -= len(e.GetData())
	}
	keep := t.entries[:first-t.offset()]
	if first <= t.lastIndex() {
		// Raft may still hold a slice of what is voided here: leave that array alone.
		keep = slices.Clip(keep)
	}
	t.entries = append(keep, entries...)
	for _, e := range entries {
		t.bytes += len(e.GetData())
	}
}

// compact forgets applied entries beyond what is kept for followers. It copies, so it waits until that pays.
func (t *tail) compact(applied uint64) {
	n, bytes := 0, t.bytes
	for i := 1; i < len(t.entries) && t.entries[i].GetIndex() <= applied; i++ {
		if len(t.entries)-i <= keptEntries && bytes <= keptBytes {
			break
		}
		bytes -= len(t.entries[i].GetData())
		n = i
	}
	if n < keptEntries && bytes >= t.bytes/2 {
		return
	}
	last := t.entries[n]
	kept := make([]*pb.Entry, 0, 2*(len(t.entries)-n))
	kept = append(kept, &pb.Entry{Index: new(last.GetIndex()), Term: new(last.GetTerm())})
	t.entries = append(kept, t.entries[n+1:]...)
	t.bytes = bytes
}

func (t *tail) offset() uint64    { return t.entries[0].GetIndex() }
func (t *tail) lastIndex() uint64 { return t.offset() + uint64(len(t.entries)) - 1 }

// InitialState implements raft.Storage.
func (t *tail) InitialState() (*pb.HardState, *pb.ConfState, error) {
	if t.hard == (HardState{}) {
		return nil, t.members.state(), nil
	}
	h := t.hard
	return &pb.HardState{Term: new(h.Term), Vote: new(h.Vote), Commit: new(h.Commit)}, t.members.state(), nil
}

// Entries implements raft.Storage.
func (t *tail) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if lo <= t.offset() {
		return t.olderEntries(lo, min(hi, t.offset()+1), maxSize)
	}
	if hi > t.lastIndex()+1 {
		return nil, raft.ErrUnavailable
	}
	from, to := lo-t.offset(), hi-t.offset()
	size := uint64(0)
	for i := from; i < to; i++ {
		size += uint64(len(t.entries[i].GetData())) + 32
		if size > maxSize && i > from {
			to = i
			break
		}
	}
	return t.entries[from:to:to], nil
}

// olderEntries reads from the log's files. Raft asks for more when it has sent these.
func (t *tail) olderEntries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if t.older == nil || lo < t.older.FirstIndex() {
		return nil, raft.ErrCompacted
	}
	entries, err := t.older.Entries(lo, hi, int(min(maxSize, maxRead)))
	if err != nil {
		return nil, t.gone(err)
	}
	out := make([]*pb.Entry, len(entries))
	for i, e := range entries {
		if out[i], err = toRaft(e); err != nil {
			return nil, t.gone(err)
		}
	}
	return out, nil
}

// maxRead bounds what is read from the log's files at a time.
const maxRead = 1 << 20

// gone notes a failure to read the log's files, which Raft can't take; entries that were let go are none.
func (t *tail) gone(err error) error {
	if !errors.Is(err, fault.ErrNotFound) && t.failed == nil {
		t.failed = fmt.Errorf("read the log for a follower: %w", err)
	}
	return raft.ErrCompacted
}

// Term implements raft.Storage.
func (t *tail) Term(i uint64) (uint64, error) {
	switch {
	case i < t.offset():
		if t.older == nil || i+1 < t.older.FirstIndex() {
			return 0, raft.ErrCompacted
		}
		term, err := t.older.Term(i)
		if err != nil {
			return 0, t.gone(err)
		}
		return term, nil
	case i > t.lastIndex():
		return 0, raft.ErrUnavailable
	}
	return t.entries[i-t.offset()].GetTerm(), nil
}

// LastIndex implements raft.Storage.
func (t *tail) LastIndex() (uint64, error) { return t.lastIndex(), nil }

// FirstIndex implements raft.Storage.
func (t *tail) FirstIndex() (uint64, error) {
	first := t.offset() + 1
	if t.older != nil {
		first = min(first, t.older.FirstIndex())
	}
	return first, nil
}

// Snapshot implements raft.Storage: only what one is of. The owner of the node moves its contents.
func (t *tail) Snapshot() (*pb.Snapshot, error) {
	first, _ := t.FirstIndex()
	if t.checkpoint == nil || t.checkpoint.GetMetadata().GetIndex()+1 < first {
		t.lacking = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return t.checkpoint, nil
}
