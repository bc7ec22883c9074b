package consensus

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// tail is Raft's view of the log: the entries behind what was applied, and some before that for followers, in
// memory. What is older is on disk alone and Raft never asks a group of one for it.
type tail struct {
	hard    HardState
	conf    *pb.ConfState
	entries []*pb.Entry // entries[0] is a stand-in for the last compacted entry: index and term only
	bytes   int         // data bytes of entries
}

// Followers that lag by less than this are served from memory.
const (
	keptEntries = 1024
	keptBytes   = 16 << 20
)

func newTail(r Restored) (*tail, error) {
	t := &tail{hard: r.HardState, conf: r.Members.state()}
	t.entries = []*pb.Entry{{Index: new(r.Applied), Term: new(r.AppliedTerm)}}
	for i, e := range r.Tail {
		if e.Index != r.Applied+1+uint64(i) {
			return nil, fmt.Errorf("restored log: entry %d follows %d", e.Index, r.Applied+uint64(i))
		}
		raw, err := toRaft(e)
		if err != nil {
			return nil, err
		}
		t.entries = append(t.entries, raw)
		t.bytes += len(e.Data)
	}
	if c := r.HardState.Commit; c < r.Applied || c > t.lastIndex() {
		return nil, fmt.Errorf("restored log: commit %d is outside %d…%d", c, r.Applied, t.lastIndex())
	}
	return t, nil
}

// append adds entries that are durable; an index already held voids it and what follows.
func (t *tail) append(entries []*pb.Entry) {
	first := entries[0].GetIndex()
	if first <= t.offset() || first > t.lastIndex()+1 {
		panic(fmt.Sprintf("consensus: append at %d to a tail of %d…%d", first, t.offset(), t.lastIndex()))
	}
	for _, e := range t.entries[first-t.offset():] {
		t.bytes -= len(e.GetData())
	}
	keep := t.entries[: first-t.offset() : first-t.offset()]
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
		return nil, t.conf, nil
	}
	h := t.hard
	return &pb.HardState{Term: new(h.Term), Vote: new(h.Vote), Commit: new(h.Commit)}, t.conf, nil
}

// Entries implements raft.Storage.
func (t *tail) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if lo <= t.offset() {
		return nil, raft.ErrCompacted
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

// Term implements raft.Storage.
func (t *tail) Term(i uint64) (uint64, error) {
	switch {
	case i < t.offset():
		return 0, raft.ErrCompacted
	case i > t.lastIndex():
		return 0, raft.ErrUnavailable
	}
	return t.entries[i-t.offset()].GetTerm(), nil
}

// LastIndex implements raft.Storage.
func (t *tail) LastIndex() (uint64, error) { return t.lastIndex(), nil }

// FirstIndex implements raft.Storage.
func (t *tail) FirstIndex() (uint64, error) { return t.offset() + 1, nil }

// Snapshot implements raft.Storage. A group of one has nobody to send one to.
func (t *tail) Snapshot() (*pb.Snapshot, error) { return nil, raft.ErrSnapshotTemporarilyUnavailable }
