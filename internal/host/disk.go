package host

import (
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/wal"
)

// written is an append that the disk is done with.
type written struct {
	*consensus.Append
	// When the log began to write it, had written it, began to sync and had synced, in nanoseconds of the loop's clock.
	writing, written, syncing, synced int64
	// flush numbers the sync that served it; 0 when it needed none.
	flush uint64
	err   error
}

// disk is the goroutine that writes the log. It takes what has come in the meantime as one group: many appends, one
// sync. Appends are answered in order.
type disk struct {
	log   *wal.Log
	mono  func() int64
	in    chan *consensus.Append // closed by the loop
	out   chan []written
	ended chan struct{}

	// lazy is a commit index that nobody waits for. It rides along with the next append, or is written at the end.
	lazy    *wal.HardState
	dirty   bool // written since the last sync
	flushes uint64
	failed  error
}

// diskQueue bounds what may wait for the disk. The core has at most a few appends under way.
const diskQueue = 64

func startDisk(log *wal.Log, mono func() int64) *disk {
	d := &disk{
		log: log, mono: mono,
		in: make(chan *consensus.Append, diskQueue), out: make(chan []written, diskQueue), ended: make(chan struct{}),
	}
	go d.run()
	return d
}

func (d *disk) run() {
	defer close(d.ended)
	for a := range d.in {
		group := []written{d.write(a)}
	more:
		for {
			select {
			case a, ok := <-d.in:
				if !ok {
					break more
				}
				group = append(group, d.write(a))
			default:
				break more
			}
		}
		d.sync(group)
		d.out <- group
		d.mark()
	}
	if d.lazy != nil && d.failed == nil {
		d.failed = d.log.Append(nil, d.lazy)
	}
}

// write gives one append to the log. After a failure nothing is written any more.
func (d *disk) write(a *consensus.Append) written {
	w := written{Append: a, writing: d.mono()}
	if hs := a.HardState; hs != nil {
		d.lazy = &wal.HardState{Term: hs.Term, Vote: hs.Vote, Commit: hs.Commit}
	}
	mustWrite := len(a.Entries) > 0 || a.HardState != nil && a.Sync
	if d.failed == nil && mustWrite {
		entries := make([]wal.Entry, len(a.Entries))
		for i, e := range a.Entries {
			entries[i] = wal.Entry{Kind: toLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
		}
		d.failed = d.log.Append(entries, d.lazy)
		d.lazy, d.dirty = nil, true
	}
	w.written, w.err = d.mono(), d.failed
	return w
}

// sync makes a group durable if one of it needs that.
func (d *disk) sync(group []written) {
	need := false
	for i := range group {
		need = need || group[i].Sync
	}
	if !need || !d.dirty || d.failed != nil {
		d.report(group)
		return
	}
	syncing := d.mono()
	d.failed = d.log.Sync()
	d.flushes++
	synced := d.mono()
	d.dirty = false
	for i := range group {
		if group[i].Sync {
			group[i].syncing, group[i].synced, group[i].flush = syncing, synced, d.flushes
		}
	}
	d.report(group)
}

func (d *disk) report(group []written) {
	for i := range group {
		group[i].err = d.failed
	}
}

// mark writes a sync mark once nothing else waits: it proves to a later recovery that what was just acknowledged
// had been durable. It is not synced itself; nobody waits for it.
func (d *disk) mark() {
	if d.failed == nil && len(d.in) == 0 && !d.dirty {
		d.failed = d.log.Mark()
	}
}

// close ends the goroutine once it has answered everything, and returns the disk's failure. The caller keeps
// receiving from out until then.
func (d *disk) close() { close(d.in) }

// since returns a clock of nanoseconds that never goes back.
func since(start time.Time) func() int64 { return func() int64 { return int64(time.Since(start)) } }
