package host

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// Recall reads events back from the log that the core wants to take back, for [replica.Core.Originals]. What can't be had is said
// with each; the error is the disk's, and ends the replica. It may be called from anywhere.
func (b *Base) Recall(list []id.Position) ([]replica.Original, error) {
	out := make([]replica.Original, 0, len(list))
	for _, p := range list {
		o := replica.Original{Position: p}
		o.Compensation, o.Err = b.recall(p)
		if o.Err != nil && !errors.Is(o.Err, fault.ErrNotFound) && !errors.Is(o.Err, fault.ErrGone) {
			return nil, fmt.Errorf("read event %v back: %w", p, o.Err)
		}
		out = append(out, o)
	}
	return out, nil
}

// recall reads a signal of any origin: [fault.ErrGone] if the log doesn't hold it any more, [fault.ErrNotFound] if something
// else stands there.
func (b *Base) recall(p id.Position) (record.Compensation, error) {
	batches, err := b.Streams().Read(p.Origin(), p.Seq-1, 1)
	if err != nil {
		return record.Compensation{}, err
	}
	if len(batches) == 0 {
		return record.Compensation{}, fmt.Errorf("event %v isn't applied here: %w", p, fault.ErrGone)
	}
	batch, err := record.Open(batches[0])
	if err != nil {
		return record.Compensation{}, fmt.Errorf("open batch: %w", err)
	}
	return originalIn(&batch, p, fmt.Errorf("signal %v: %w", p, fault.ErrNotFound))
}

// recaller is the goroutine that recalls for a loop, so that neither Raft's clock nor a write waits for old parts of the log.
type recaller struct {
	base  *Base
	in    chan []id.Position // closed by the loop
	out   chan recalled
	ended chan struct{}
}

// recalled is what came of a list.
type recalled struct {
	list   []replica.Original
	failed error // the disk's
}

// recallQueue bounds what waits for the recaller and what it is done with.
const recallQueue = 16

func startRecaller(b *Base) *recaller {
	r := &recaller{
		base: b, in: make(chan []id.Position, recallQueue), out: make(chan recalled, recallQueue), ended: make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *recaller) run() {
	defer close(r.ended)
	for list := range r.in {
		var d recalled
		d.list, d.failed = r.base.Recall(list)
		r.out <- d
	}
}

// close ends the goroutine and waits for it.
func (r *recaller) close() {
	if r == nil {
		return
	}
	close(r.in)
	for {
		select {
		case <-r.out:
		case <-r.ended:
			return
		}
	}
}

// wantRecalled hands the recaller a list. If too much waits there, it is to be asked for again.
func (l *loop) wantRecalled(list []id.Position) {
	select {
	case l.recall.in <- list:
	default:
		out := make([]replica.Original, len(list))
		for i, p := range list {
			out[i] = replica.Original{Position: p, Err: fault.ErrOverloaded}
		}
		l.step.Recalled(out)
	}
}

// remembers takes back what the recaller did.
func (l *loop) remembers(d *recalled) error {
	if d.failed == nil {
		l.step.Recalled(d.list)
	}
	return d.failed
}
