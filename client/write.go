package client

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Request is a set of records that is written whole or not at all: at most 65,536 of them, and 1 MiB.
type Request struct {
	// Records are applied in order.
	Records []Record
	// Number is the request's number in the client's lane, from 1; 0 takes the next one, which is right for everybody who
	// doesn't keep numbers.
	Number uint64
	// Key makes the request count once for 24 hours, whichever client sends it; it has no number then.
	Key string
}

// Receipt says what became of a request. It is given once the request is durable and visible.
type Receipt struct {
	// Position is the first record's; the others follow it without gaps.
	Position Position
	// Count is the number of records.
	Count int
	// Lane and Number are what the request was written under, empty and 0 for one with a key.
	Lane   string
	Number uint64
	// Duplicate reports that the request had been accepted before: by an earlier try, mostly, whose answer was lost.
	Duplicate bool
	// Clamped counts the events whose time lay too far ahead.
	Clamped int
	// Durable and Visible are how long it took the server until the request was on the disk, and readable; 0 if unknown.
	Durable, Visible time.Duration
	// Forgotten is, for a request that erases a user, the time by which the log's records of them are gone, too.
	Forgotten time.Time
	// Token makes a read elsewhere see this write; see [WithToken].
	Token string
}

// Signal writes one signal and returns when it is durable and visible. Errors are those of [Client.Write].
func (c *Client) Signal(ctx context.Context, s Signal) (Receipt, error) {
	return c.Write(ctx, Request{Records: []Record{s}, Key: s.Key})
}

// Signals writes signals as one request, whole or not at all. None of them may have a key.
func (c *Client) Signals(ctx context.Context, signals ...Signal) (Receipt, error) {
	records := make([]Record, len(signals))
	for i := range signals {
		records[i] = signals[i]
	}
	return c.Write(ctx, Request{Records: records})
}

// Do writes records as one request, whole or not at all.
func (c *Client) Do(ctx context.Context, records ...Record) (Receipt, error) {
	return c.Write(ctx, Request{Records: records})
}

// Write writes a request, whole or not at all, and returns when it is durable and visible. It is tried again until it is
// answered, and counts once. Up to 64 numbers of a lane may be under way; further writes wait.
//
// [ErrUnknown] means that the time was over before it was known whether the request was accepted: it counts at most once,
// and nobody will send it again. All other errors mean that nothing was written. Who has to know beyond the end of the
// program names the lane ([Options.Lane]) and keeps each request with its number, from 1 on and without gaps, until it has a
// receipt: sent again under the same number, by whichever process, it counts once. Where [Request.Number] is left to a
// client with a named lane, numbers go on behind all that the server can have seen.
func (c *Client) Write(ctx context.Context, r Request) (Receipt, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	req, err := messageOf(r)
	if err != nil {
		return Receipt{}, err
	}
	req.Ack = c.ackOf(ctx)
	if r.Key == "" {
		if r.Number == 0 {
			if err := c.goOn(ctx); err != nil {
				return Receipt{}, err
			}
		}
		number, err := c.log.take(ctx, r.Number)
		if err != nil {
			return Receipt{}, &Error{
				Op: "write", Code: "unsent", Detail: "waits behind 64 writes under way", causes: []error{ErrOverloaded, err},
			}
		}
		defer c.log.done(number)
		req.Lane, req.Number = c.lane, int64(number)
	}
	res, err := invoke(ctx, c, "write", once, req, tidalpbconnect.TidalClient.Write)
	if err != nil {
		return Receipt{}, err
	}
	return c.receipt(req, res.GetReceipt()), nil
}

func messageOf(r Request) (*tidalpb.WriteRequest, error) {
	if r.Key != "" && r.Number != 0 {
		return nil, fault.Refuse("number", "stands beside a key; a request has one of them")
	}
	req := &tidalpb.WriteRequest{Key: r.Key, Records: make([]*tidalpb.Record, len(r.Records))}
	for i, rec := range r.Records {
		if rec == nil {
			return nil, fault.At(i, fault.Refuse("", "is nil"))
		}
		if s, ok := rec.(Signal); ok && s.Key != "" && s.Key != r.Key {
			return nil, fault.At(i, fault.Refuse("key", "is given; a signal with a key is a request of its own"))
		}
		m, err := rec.message()
		if err != nil {
			return nil, fault.At(i, err)
		}
		req.Records[i] = m
	}
	return req, nil
}

// receipt reads an answer and keeps its token.
func (c *Client) receipt(req *tidalpb.WriteRequest, m *tidalpb.Receipt) Receipt {
	r := receiptOf(m)
	r.Lane, r.Number = req.GetLane(), uint64(req.GetNumber())
	c.saw(r.Token, r.Position)
	return r
}

func receiptOf(m *tidalpb.Receipt) Receipt {
	return Receipt{
		Position: positionOf(m.GetPosition()), Count: int(m.GetCount()), Duplicate: m.GetDuplicate(), Clamped: int(m.GetClamped()),
		Durable:   time.Duration(m.GetDurableUs()) * time.Microsecond,
		Visible:   time.Duration(m.GetVisibleUs()) * time.Microsecond,
		Forgotten: timeOf(m.GetForgotten()), Token: m.GetToken(),
	}
}
