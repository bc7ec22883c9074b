package consensus_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// replica is a node with a disk and a state machine that finish their work when they are told to.
type replica struct {
	*consensus.Node
	id      uint64
	cfg     consensus.Config
	disk    disk
	appends []*consensus.Append // taken from Ready, not on disk yet
	applies []*consensus.Apply
	applied []consensus.Entry // by this run, and those that a restart found applied
	served  consensus.Entry   // of which snapshots can be served
}

var errIdle = errors.New("nothing is in flight")

func config(id uint64) consensus.Config {
	return consensus.Config{Replica: id, ElectionTicks: 10, HeartbeatTicks: 1, MaxUncommitted: 1 << 20}
}

func (r *replica) start() error {
	r.cfg.Older = &r.disk
	n, err := consensus.New(r.cfg)
	r.Node = n
	return err
}

func (r *replica) take() (consensus.Ready, bool) {
	rd, ok := r.Ready()
	if rd.Append != nil {
		r.appends = append(r.appends, rd.Append)
	}
	if rd.Apply != nil {
		r.applies = append(r.applies, rd.Apply)
	}
	return rd, ok
}

func (r *replica) persist() error {
	if len(r.appends) == 0 {
		return errIdle
	}
	a := r.appends[0]
	r.appends = r.appends[1:]
	r.disk.write(a)
	return r.Persisted(a)
}

func (r *replica) apply() error {
	if len(r.applies) == 0 {
		return errIdle
	}
	a := r.applies[0]
	r.applies = r.applies[1:]
	for _, e := range a.Entries {
		if !r.disk.holds(e) {
			return fmt.Errorf("entry %d/%d is to be applied and isn't on this disk", e.Index, e.Term)
		}
	}
	r.applied = append(r.applied, a.Entries...)
	return r.Applied(a)
}

// restart drops what is in flight and starts from the disk, with a store whose checkpoint is at the given index.
func (r *replica) restart(applied uint64) error {
	r.appends, r.applies = nil, nil
	r.disk.sync() // as opening a log does
	restored, err := r.disk.restored(applied)
	if err != nil {
		return err
	}
	r.cfg.Restored = restored
	done := slices.IndexFunc(r.applied, func(e consensus.Entry) bool { return e.Index > applied })
	if done >= 0 {
		r.applied = r.applied[:done]
	}
	return r.start()
}

// disk is the log of one replica.
type disk struct {
	base    consensus.Restored // what the store held at first
	entries []consensus.Entry  // behind base
	hard    consensus.HardState
	safe    *disk  // as of the last sync
	gone    uint64 // entries up to this one can't be read any more
	broken  error  // what reading gives
}

// FirstIndex, Entries and Term make a disk what followers that lag are served from.

func (d *disk) FirstIndex() uint64 { return max(d.gone, d.base.Applied) + 1 }

func (d *disk) Entries(lo, hi uint64, maxBytes int) ([]consensus.Entry, error) {
	if lo < d.FirstIndex() || hi > d.base.Applied+uint64(len(d.entries))+1 {
		return nil, fault.ErrNotFound
	}
	if d.broken != nil {
		return nil, d.broken
	}
	var out []consensus.Entry
	for _, e := range d.entries[lo-d.base.Applied-1 : hi-d.base.Applied-1] {
		if maxBytes -= len(e.Data); maxBytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

func (d *disk) Term(i uint64) (uint64, error) {
	switch {
	case i == d.base.Applied && d.gone <= i:
		return d.base.AppliedTerm, nil
	case i+1 < d.FirstIndex() || i > d.base.Applied+uint64(len(d.entries)):
		return 0, fault.ErrNotFound
	}
	return d.entries[i-d.base.Applied-1].Term, nil
}

func (d *disk) founded(r consensus.Restored) {
	*d = disk{base: r, hard: r.HardState}
	d.sync()
}

func (d *disk) sync() {
	d.safe = &disk{base: d.base, entries: slices.Clone(d.entries), hard: d.hard}
}

func (d *disk) write(a *consensus.Append) {
	if len(a.Entries) > 0 {
		keep := int(a.Entries[0].Index - d.base.Applied - 1)
		d.entries = append(slices.Clip(d.entries[:keep]), a.Entries...)
	}
	if a.HardState != nil {
		d.hard = *a.HardState
	}
	if a.Sync {
		d.sync()
	}
}

func (d *disk) losePower() {
	d.entries, d.hard = slices.Clone(d.safe.entries), d.safe.hard
}

func (d *disk) holds(e consensus.Entry) bool {
	i := int(e.Index-d.base.Applied) - 1
	return i >= 0 && i < len(d.entries) && d.entries[i].Term == e.Term
}

func (d *disk) restored(applied uint64) (consensus.Restored, error) {
	r := d.base
	r.HardState, r.Tail = d.hard, d.entries
	for len(r.Tail) > 0 && r.Applied < applied {
		e := r.Tail[0]
		var err error
		if r.Members, err = r.Members.After(e); err != nil {
			return r, err
		}
		r.Applied, r.AppliedTerm, r.Tail = e.Index, e.Term, r.Tail[1:]
	}
	return r, nil
}

func (d *disk) String() string {
	h := d.hard
	return fmt.Sprintf("%s term=%d vote=%d commit=%d\n", describeEntries(d.entries), h.Term, h.Vote, h.Commit)
}

// group returns what every store of a group holds whose founding entries named the given replicas.
func group(ids ...uint64) (consensus.Restored, error) {
	r := consensus.Restored{AppliedTerm: 1}
	for _, n := range ids {
		r.Applied++
		var err error
		if r.Members, err = r.Members.After(addVoter(r.Applied, n)); err != nil {
			return r, err
		}
	}
	r.HardState = consensus.HardState{Term: 1, Commit: r.Applied}
	return r, nil
}
