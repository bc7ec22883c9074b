package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// service answers tidal.v1.Tidal.
type service struct {
	tidalpbconnect.UnimplementedTidalHandler
	s *Server
}

// Write is in the schema's words.
func (x *service) Write(ctx context.Context, m *tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
	c := callOf(ctx)
	key := m.GetKey()
	if header := c.r.Header.Get(headerKey); header != "" {
		if key != "" && key != header {
			return nil, fault.Refuse("key", "isn't what the header %s says", headerKey)
		}
		key = header
	}
	got, err := x.s.write(ctx, m, key)
	if err != nil {
		return nil, err
	}
	h := c.w.Header()
	if got.GetDuplicate() {
		h.Set(headerReplayed, "true")
	}
	if got.GetToken() != "" {
		h.Set(headerToken, got.GetToken())
	}
	return &tidalpb.WriteResponse{Receipt: got}, nil
}

// write writes one request, under a key if there is one.
func (s *Server) write(ctx context.Context, m *tidalpb.WriteRequest, key string) (*tidalpb.Receipt, error) {
	c := callOf(ctx)
	identified := key != "" || m.GetLane() != "" || !counting(m.GetRecords())
	if err := s.lead(identified); err != nil {
		return nil, err
	}
	records, err := recordsOf(m.GetRecords(), s.db.Schema())
	if err != nil {
		return nil, err
	}
	r := tidal.Request{Lane: m.GetLane(), Records: records, Trace: c.trace}
	if r.Number, err = numberOf(m.GetNumber()); err != nil {
		return nil, err
	}
	if r.Ack, err = c.ackOf(m.GetAck()); err != nil {
		return nil, err
	}
	if err := underKey(&r, key); err != nil {
		return nil, err
	}
	if r.Ack == tidal.AckGeo {
		var cancel context.CancelFunc
		ctx, cancel = sooner(ctx)
		defer cancel()
	}
	begun := s.now()
	receipt, err := s.db.Write(ctx, r)
	if s.recorder != nil {
		s.recorder.Written(&Written{Begun: begun, Took: s.now().Sub(begun), Records: records, Receipt: receipt, Err: err})
	}
	if err != nil {
		return nil, misdirected(err, identified)
	}
	return s.receiptMessage(&receipt), nil
}

// ackOf says when a write is answered: as the message says, or the header where that doesn't.
func (c *call) ackOf(word string) (tidal.Ack, error) {
	field, header := "ack", c.r.Header.Get(headerAck)
	switch {
	case word == "":
		field, word = headerAck, header
	case header != "" && header != word:
		return 0, fault.Refuse(field, "isn't what the header %s says", headerAck)
	}
	switch word {
	case "", ackQuorum:
		return tidal.AckQuorum, nil
	case ackGeo:
		return tidal.AckGeo, nil
	}
	return 0, fault.Refuse(field, "is %q; it is %s or %s", word, ackQuorum, ackGeo)
}

// onlyQuorum refuses the header for what can't be acknowledged otherwise, so that nobody believes that it was.
func (c *call) onlyQuorum() error {
	ack, err := c.ackOf("")
	if err == nil && ack == tidal.AckGeo {
		err = fault.Refuse(headerAck, "is for writes; beginning and ending a session is acknowledged with %s", ackQuorum)
	}
	return err
}

// sooner ends a context a little before its caller goes away, so that they hear what became of the write.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(time.Until(end)/10, 250*time.Millisecond)))
}

// The words for when a write is answered.
const (
	ackQuorum = "quorum"
	ackGeo    = "geo"
)

// counting reports whether records would count twice if they came twice: a signal without a key. All else sets something,
// or takes something back once.
func counting(records []*tidalpb.Record) bool {
	for _, r := range records {
		if s := r.GetSignal(); s != nil && s.GetKey() == "" {
			return true
		}
	}
	return false
}

// keyLane begins the lanes that stand for keys of requests.
const keyLane = "key/"

// maxKey is the longest key, in bytes.
const maxKey = 128

// underKey makes a request count once under a key. The database keeps keys of single signals; any other request has a
// lane of its own instead, which is named by the key's hash, and is the first one in it.
func underKey(r *tidal.Request, key string) error {
	switch {
	case key == "":
		return nil
	case len(key) > maxKey:
		return fault.Refuse("key", "has %d bytes; keys have at most %d", len(key), maxKey)
	case r.Lane != "" || r.Number != 0:
		return fault.Refuse("key", "stands beside a lane; a request has one of them")
	}
	if len(r.Records) == 1 {
		if signal, ok := r.Records[0].(tidal.Signal); ok {
			if signal.Key != "" && signal.Key != key {
				return fault.At(0, fault.Refuse("key", "isn't the request's key"))
			}
			signal.Key = key
			r.Records[0] = signal
			return nil
		}
	}
	hash := sha256.Sum256([]byte(key))
	r.Lane, r.Number = keyLane+hex.EncodeToString(hash[:]), 1
	return nil
}

func (s *Server) receiptMessage(r *tidal.Receipt) *tidalpb.Receipt {
	return &tidalpb.Receipt{
		Position: r.Position.String(), Count: int32(r.Count), Duplicate: r.Duplicate, Clamped: int32(r.Clamped), Token: r.Token(),
		DurableUs: micros(r.Durable), VisibleUs: micros(r.Visible), Forgotten: timeMessage(r.Forgotten),
	}
}

// micros rounds up, so that what took time isn't 0.
func micros(d time.Duration) int64 { return int64((d + time.Microsecond - 1) / time.Microsecond) }
