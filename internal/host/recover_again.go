package host

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// formerly is a request as an earlier incarnation stamped it.
type formerly struct {
	replica.Request
	first id.Position // of its first record, then
}

// writeAgain writes what lay above the commit through the ordinary door, each request whole. Those with a lane or a key are
// recognised if that was done before; others are as a client's are that retries without either.
func (x *recovery) writeAgain(ctx context.Context) error {
	opts := x.o.Options
	opts.FS, opts.Dir, opts.MustExist, opts.recovering = x.fs, x.dir, true, true
	opts.Group, opts.Joined, opts.ReadOnly = nil, nil, false
	r, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	moved := map[id.Position]id.Position{}
	for q := range requestsOf(x.tail, x.note.Old.origin()) {
		if err = x.again(ctx, r, &q, moved); err != nil {
			break
		}
	}
	return errors.Join(err, r.Close())
}

// again writes one request. moved are the new positions of the events that lay above the commit: what undoes one of them
// names it by that.
func (x *recovery) again(ctx context.Context, r *Replica, q *formerly, moved map[id.Position]id.Position) error {
	for i := range q.Records {
		if at, ok := moved[q.Records[i].Compensation.Original]; ok {
			q.Records[i].Compensation.Original = at
		}
	}
	receipt, err := r.stampAgain(ctx, &q.Request)
	switch {
	case err == nil:
	case neverAgain(err):
		x.out.Refused++
		if len(x.out.RefusedFor) < maxRefusedFor {
			x.out.RefusedFor = append(x.out.RefusedFor, fmt.Sprintf("%v: %v", q.first, err))
		}
		return nil
	default:
		return fmt.Errorf("request at %v: %w", q.first, err)
	}
	if receipt.Duplicate {
		x.out.Again++
	}
	for i := range q.Records {
		was, is := q.first, receipt.First
		was.Seq += id.Seq(i)
		is.Seq += id.Seq(i)
		moved[was] = is
	}
	return nil
}

// stampAgain writes a request under the schema that there is.
func (r *Replica) stampAgain(ctx context.Context, q *replica.Request) (Receipt, error) {
	var s *schema.Schema
	_ = r.Read(func(e *engine.Engine) error {
		s, q.Schema = e.Schema()
		return nil
	})
	if err := replica.Check(q, s); err != nil {
		return Receipt{}, err
	}
	return r.Write(ctx, q)
}

// neverAgain reports whether an error says that a request can't be written any more, whatever is done.
func neverAgain(err error) bool {
	for _, kind := range []error{
		fault.ErrInput, fault.ErrKeyReused, fault.ErrRetryTooOld, fault.ErrUndone, fault.ErrNotFound, fault.ErrSessionGap,
		fault.ErrSessionClosed, fault.ErrSchema,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// requestsOf are the requests in batches of an origin, in order. What others stamped isn't written again: it comes from them, as it
// stands. What can't be read any more was checked when it was written, and is passed over: it was found to be whole a moment ago.
func requestsOf(entries []consensus.Entry, own id.Origin) iter.Seq[formerly] {
	return func(yield func(formerly) bool) {
		for _, e := range entries {
			if e.Kind != consensus.Batch {
				continue
			}
			b, err := record.Open(e.Data)
			if err != nil || b.Origin() != own {
				continue
			}
			for _, q := range splitBatch(&b) {
				if !yield(q) {
					return
				}
			}
		}
	}
}

// splitBatch takes a batch apart. Records without a lane and a key that stand behind one another become one request: they
// were written in one batch, and are again.
func splitBatch(b *record.Batch) (out []formerly) {
	left := uint32(0) // records that the present request still lacks
	bare := false
	for rec, err := range b.Records() {
		if err != nil {
			return out
		}
		var p record.Proposed
		if p.DecodeBody(rec.Kind, rec.Body) != nil || !rec.Kind.Known() {
			continue
		}
		m := &rec.Meta
		p.Time, p.HasTime, p.Key, p.Trace = m.Time, true, m.Key, m.Trace
		switch {
		case left > 0:
			left--
		case m.Begins():
			out = append(out, formerly{first: b.Origin().At(rec.Seq), Request: replica.Request{
				Producer: m.Lane.Producer, Number: m.Lane.Request, Content: m.Content,
			}})
			left, bare = m.Count-1, false
		case !bare || controlling(rec.Kind):
			out = append(out, formerly{first: b.Origin().At(rec.Seq)})
			bare = !controlling(rec.Kind)
		}
		q := &out[len(out)-1]
		q.Records = append(q.Records, p)
	}
	for i := range out {
		if out[i].Content == 0 {
			out[i].Content = record.ContentHash(out[i].Records)
		}
	}
	return out
}

// controlling reports whether a record changes what others mean, and so is written by itself.
func controlling(k record.Kind) bool {
	return k == record.KindSchemaVersion || k == record.KindFormatLevel
}
