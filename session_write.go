package tidal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Note is a record that only a session takes ([Session.Write]): a remark about it, of no effect on what is ranked.
type Note struct {
	// Name says what the note is about, 1 to 64 bytes.
	Name string
	// Text has up to 4,096 bytes.
	Text string
}

// Search is a record that only a session takes ([Session.Write]): somebody has searched, and found something. It has no
// effect on what is ranked.
type Search struct {
	// Query is what was searched for, 1 to 4,096 bytes.
	Query string
	// Results are the ids of up to 100 items that were found, best first.
	Results []string
}

func (Note) record()   {}
func (Search) record() {}

// sessionWindow is how far a request's number may lie above the highest that came before.
const sessionWindow = 64

// Write writes a request of the session, whole or not at all, and returns when it is durable and visible. The records are
// signals, marks, relations and collections of the session's user, whose User may be left empty, notes and searches.
//
// The requests of a session are numbered by seq from 1; up to 64 may be under way, or come out of order. One that is sent
// again under its number counts once, also when the session has ended by then. With seq 0 it gets the next number,
// which the receipt tells, also beside [ErrUnknown].
//
// A refused request is counted as one ([SessionSummary]): what the policy doesn't allow or is wrong in itself
// ([InputError], with its field), what comes too fast ([RateLimitError]), what skips too many numbers ([ErrSessionGap]),
// comes again with other content ([ErrKeyReused]) or too late ([ErrRetryTooOld]). When the session has ended the error is
// [ErrSessionClosed]; others are those of [DB.Write].
func (s *Session) Write(ctx context.Context, seq uint64, records ...Record) (Receipt, error) {
	return s.WriteAck(ctx, AckQuorum, seq, records...)
}

// WriteAck is [Session.Write] with what must be so before the request is acknowledged.
func (s *Session) WriteAck(ctx context.Context, ack Ack, seq uint64, records ...Record) (Receipt, error) {
	if err := s.db.mayAck(ack); err != nil {
		return Receipt{}, err
	}
	drawn := seq == 0
	if drawn {
		seq = s.next()
	} else {
		s.fly(seq)
	}
	defer s.land(seq)
	for {
		receipt, err := s.writeOnce(ctx, seq, records)
		if err != nil && schemaGrew(err) {
			continue
		}
		if refusal(err) {
			s.refuse()
		}
		if err != nil && !(drawn && errors.Is(err, fault.ErrUnknown)) {
			return Receipt{}, err
		}
		receipt.Number = seq
		if err == nil && ack == AckGeo {
			err = s.db.awaitGeo(ctx, &receipt)
		}
		return receipt, err
	}
}

// Signal writes one signal under the next number; see [Session.Write].
func (s *Session) Signal(ctx context.Context, x Signal) (Receipt, error) { return s.Write(ctx, 0, x) }

// Annotate writes a note under the next number; see [Session.Write].
func (s *Session) Annotate(ctx context.Context, name, text string) (Receipt, error) {
	return s.Write(ctx, 0, Note{Name: name, Text: text})
}

// Searched writes under the next number that somebody has searched; see [Session.Write].
func (s *Session) Searched(ctx context.Context, query string, results ...string) (Receipt, error) {
	return s.Write(ctx, 0, Search{Query: query, Results: results})
}

// Rank is [DB.Rank] for the session's user, whom the query may leave out. The list knows of everything that the session
// wrote.
func (s *Session) Rank(ctx context.Context, q *query.Query) (*Answer, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	own := *q
	if own.User == "" {
		own.User = s.name.user
	}
	if own.User != s.name.user {
		return nil, fault.Refuse("user", "is %q; the session is that of %q", own.User, s.name.user)
	}
	if err := s.db.host.Await(ctx, s.vector()); err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	a, err := s.db.Rank(ctx, &own)
	if err == nil {
		s.saw(a.Vector)
	}
	return a, err
}

// refusal reports whether an error says that what was asked for won't do, rather than that it couldn't be done.
func refusal(err error) bool {
	for _, kind := range []error{
		fault.ErrInput, fault.ErrRateLimited, fault.ErrSessionGap, fault.ErrKeyReused, fault.ErrRetryTooOld,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func (s *Session) writeOnce(ctx context.Context, seq uint64, records []Record) (Receipt, error) {
	db := s.db
	req := &replica.Request{Producer: s.lane, Number: seq}
	var current *schema.Schema
	err := db.read(ctx, func(e *engine.Engine) error {
		current, req.Schema = e.Schema()
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	if len(records) == 0 {
		return Receipt{}, fault.Refuse("records", "is empty; a request has 1 to %d records", record.MaxRecords-1)
	}
	tail := s.body(record.SessionWrites)
	req.Records = make([]record.Proposed, len(records), len(records)+1)
	for i, rec := range records {
		if err := s.propose(ctx, &req.Records[i], rec, current); err != nil {
			return Receipt{}, fault.At(i, err)
		}
	}
	signals := count(tail, req.Records)
	tail.Refused = s.refusals()
	req.Records = append(req.Records, record.Proposed{Kind: record.KindSession, Session: tail})
	if err := replica.Check(req, current); err != nil {
		return Receipt{}, err
	}
	req.Content = record.ContentHash(req.Records)
	if again, err := s.accepted(ctx, req); err != nil || again.Count > 0 {
		return again, err
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer leave()
	if err := s.admit(ctx, seq, signals); err != nil {
		return Receipt{}, err
	}
	joined, err := db.joinCohorts(ctx, req.Records, current)
	if err != nil {
		s.bucket.give(signals)
		return Receipt{}, err
	}
	if joined {
		replica.Measure(req)
	}
	now := db.now().UnixMilli()
	got, err := db.host.Write(ctx, req)
	if err != nil {
		if !errors.Is(err, fault.ErrUnknown) {
			s.bucket.give(signals)
		}
		return Receipt{}, err
	}
	s.wrote(now, tail.Refused)
	// The record at the end, which counts the others, is no business of the caller's.
	out := Receipt{
		Position: got.First, Count: got.Count - 1, Duplicate: got.Duplicate, Clamped: got.Clamped,
		Durable: got.Durable, Visible: got.Visible, db: db,
	}
	s.saw(VersionVector{}.With(got.First.Origin(), got.First.Seq+id.Seq(got.Count)-1))
	return out, nil
}

// body begins a record of the session.
func (s *Session) body(what record.SessionWhat) *record.Session {
	return &record.Session{What: what, User: s.name.user, ID: s.name.id, Place: s.place, Opened: s.opened}
}

// propose is [DB.propose] for what may be written in the session.
func (s *Session) propose(ctx context.Context, p *record.Proposed, rec Record, current *schema.Schema) error {
	var err error
	switch x := rec.(type) {
	case Note:
		p.Kind, p.Session = record.KindSession, s.body(record.SessionNotes)
		p.Session.Name, p.Session.Text = x.Name, x.Text
		return nil
	case Search:
		p.Kind, p.Session = record.KindSession, s.body(record.SessionSearches)
		p.Session.Text, p.Session.Results = x.Query, slices.Clone(x.Results)
		return nil
	case Signal:
		if x.User, err = s.own(x.User); err == nil && !s.policy.Allows(x.Type) {
			err = fault.Refuse("type", "%q isn't allowed by the policy %q", x.Type, s.policy.Name)
		}
		rec = x
	case SetMark:
		x.User, err = s.own(x.User)
		rec = x
	case Relate:
		x.User, err = s.own(x.User)
		rec = x
	case Collect:
		x.User, err = s.own(x.User)
		rec = x
	default:
		return fault.Refuse("", "is a %T; a session takes signals, marks, relations, collections, notes and searches", rec)
	}
	if err != nil {
		return err
	}
	return s.db.propose(ctx, p, rec, current)
}

// own returns the session's user, whom a record may leave out.
func (s *Session) own(user string) (string, error) {
	if user != "" && user != s.name.user {
		return "", fault.Refuse("user", "is %q; the session is that of %q", user, s.name.user)
	}
	return s.name.user, nil
}

// count enters what a request holds into the record at its end, and returns the number of signals.
func count(tail *record.Session, records []record.Proposed) (signals int) {
	var types []uint16
	for i := range records {
		switch p := &records[i]; p.Kind {
		case record.KindSignal:
			types = append(types, p.Signal.Type)
		case record.KindMark, record.KindRelation:
			tail.Others++
		}
	}
	slices.Sort(types)
	for _, t := range types {
		if n := len(tail.Signals); n == 0 || tail.Signals[n-1].Type != t {
			tail.Signals = append(tail.Signals, record.SessionCount{Type: t})
		}
		tail.Signals[len(tail.Signals)-1].N++
	}
	return len(types)
}

// accepted answers a request that was accepted before.
func (s *Session) accepted(ctx context.Context, r *replica.Request) (out Receipt, err error) {
	err = s.db.read(ctx, func(e *engine.Engine) error {
		v, err := e.Lanes().Check(r.Producer, r.Number, r.Content)
		if err == nil && v.Duplicate {
			out = Receipt{Position: v.Position, Count: int(v.Count) - 1, Duplicate: true, db: s.db}
		}
		return err
	})
	return out, err
}

// admit lets a request through that is within the window and the rate.
func (s *Session) admit(ctx context.Context, seq uint64, signals int) error {
	high, err := s.highest(ctx)
	if err != nil {
		return err
	}
	if seq > high+sessionWindow {
		return fmt.Errorf("request %d of session %q, which is at %d: %w", seq, s.name.id, high, fault.ErrSessionGap)
	}
	ok, wait := s.bucket.take(signals, s.db.now())
	switch {
	case ok:
		return nil
	case wait == 0:
		return fault.Refuse("records", "has %d signals; the policy %q allows %d at once", signals, s.policy.Name,
			s.bucket.size())
	}
	return &fault.RateLimited{
		Agent: s.begin.Agent, Session: s.name.id, Rate: s.policy.Rate, RetryAfter: wait,
	}
}

// highest returns the highest number that was accepted.
func (s *Session) highest(ctx context.Context) (high uint64, err error) {
	err = s.db.read(ctx, func(e *engine.Engine) error {
		high, _ = e.Lanes().HighWater(s.lane)
		return nil
	})
	return high, err
}

// next draws a number behind all that were accepted or are under way.
func (s *Session) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := uint64(0)
	_ = s.db.host.Read(func(e *engine.Engine) error {
		seq, _ = e.Lanes().HighWater(s.lane)
		return nil
	})
	for n := range s.flight {
		seq = max(seq, n)
	}
	s.flight[seq+1]++
	return seq + 1
}

func (s *Session) fly(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight[seq]++
}

func (s *Session) land(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight[seq]--; s.flight[seq] == 0 {
		delete(s.flight, seq)
	}
}

func (s *Session) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	s.db.sessions.counts.refused.Add(1)
}

func (s *Session) refusals() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// wrote notes that something was written, and that so many refusals are in the log.
func (s *Session) wrote(now int64, refused uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, now)
	s.written = max(s.written, refused)
}

func (s *Session) saw(v VersionVector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = s.seen.Merge(v)
}

func (s *Session) vector() VersionVector {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}
