package client

import (
	"context"
	crand "crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Errors of sessions, which are those of package tidal.
var (
	ErrSessionClosed = fault.ErrSessionClosed // the session has ended
	ErrRateLimited   = fault.ErrRateLimited   // it writes faster than its policy allows; nothing was written
)

// SessionStart says whose session begins, and who acts in it.
type SessionStart struct {
	User string
	// ID names the session, up to 64 bytes; empty draws one. A session of the user that is open under this name, and was
	// begun with the same content, is gone on with.
	ID string
	// Agent is who acts in it: an assistant, a device. Policy is one of the schema's; empty allows everything.
	Agent, Policy string
	// TTL is how long it lasts at most; 0 is as long as the policy allows.
	TTL time.Duration
}

// Session is an open session: an ordered lane of writes of one user, under a policy. Its writes go one after the other.
type Session struct {
	c        *Client
	user, id string
	turn     chan struct{} // holds one token: who has it writes

	mu     sync.Mutex
	next   int64 // number of the next request; 0 isn't known
	tokens tokens
}

// StartSession begins a session, durably.
func (c *Client) StartSession(ctx context.Context, s SessionStart) (*Session, error) {
	if s.ID == "" {
		s.ID = crand.Text() // drawn here, so that a retry begins no second one
	}
	if s.TTL != 0 && s.TTL < time.Millisecond {
		return nil, fault.Refuse("ttl", "is %v, must be a millisecond or more", s.TTL)
	}
	req := &tidalpb.StartSessionRequest{
		User: idText(s.User), Id: idText(s.ID), Agent: s.Agent, Policy: s.Policy, TtlMs: s.TTL.Milliseconds(),
		Token: c.tokenOf(ctx),
	}
	res, err := invoke(ctx, c, "start session", once, req, tidalpbconnect.TidalClient.StartSession)
	if err != nil {
		return nil, err
	}
	out := &Session{c: c, user: s.User, id: s.ID, turn: make(chan struct{}, 1)}
	c.mu.Lock()
	out.tokens.all = slices.Clone(c.tokens.all)
	c.mu.Unlock()
	if m := res.GetSession(); m.GetSignals()+m.GetOthers()+m.GetNotes()+m.GetSearches() == 0 {
		out.next = 1
	}
	return out, nil
}

// ID is the session's name.
func (s *Session) ID() string { return s.id }

// Token names everything that the session has written here, its beginning, and what the client knew then; see [WithToken]. With
// it the session can be gone on with elsewhere, also in another region.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.text()
}

// Note is a remark about a session. Only sessions take it.
type Note struct {
	Name string // 1 to 64 bytes
	Text string // up to 4,096 bytes
}

// Search says that somebody has searched, and what was found. Only sessions take it.
type Search struct {
	Query   string   // 1 to 4,096 bytes
	Results []string // ids of up to 100 items, best first
}

func (Note) message() (*tidalpb.Record, error)   { return nil, errOnlySessions }
func (Search) message() (*tidalpb.Record, error) { return nil, errOnlySessions }

// errOnlySessions refuses a record that stands outside of a session.
var errOnlySessions = fault.Refuse("", "is a note or a search, which only sessions take")

// Write writes a request of the session, whole or not at all, and returns when it is durable and visible. The records are
// signals, marks, relations and collections of the session's user, whose User may be left empty, notes and searches.
//
// It is tried again until it's answered, and counts once. The first write of a session that was gone on with is sent only
// once if it may have arrived: its number isn't known yet. What the policy doesn't allow is an [InputError]; what comes too
// fast is tried again when the server says; [ErrSessionClosed] means that the session has ended.
func (s *Session) Write(ctx context.Context, records ...Record) (Receipt, error) {
	msgs := make([]*tidalpb.SessionRecord, len(records))
	for i, r := range records {
		m, err := sessionRecord(r)
		if err != nil {
			return Receipt{}, fault.At(i, err)
		}
		msgs[i] = m
	}
	ctx, cancel := s.c.limit(ctx)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	}
	s.mu.Lock()
	number := s.next
	s.mu.Unlock()
	h := once
	if number == 0 {
		h = bare
	}
	req := &tidalpb.WriteSessionRequest{User: idText(s.user), Id: idText(s.id), Number: number, Records: msgs, Ack: s.c.ackOf(ctx)}
	// A server of another region waits until it has the session.
	req.Token = s.Token()
	res, err := invoke(ctx, s.c, "write session", h, req, tidalpbconnect.TidalClient.WriteSession)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		switch {
		case number == 0:
		case errors.Is(err, ErrUnknown), errors.Is(err, ErrKeyReused), errors.Is(err, ErrRetryTooOld):
			s.next = number + 1 // it is used, or may be
		case errors.Is(err, ErrSessionGap):
			s.next = 0 // others write in this session, too: the server says which number comes next
		}
		return Receipt{}, err
	}
	m := res.GetReceipt()
	s.next = m.GetNumber() + 1
	r := Receipt{
		Position: positionOf(m.GetPosition()), Count: int(m.GetCount()), Number: uint64(m.GetNumber()), Duplicate: m.GetDuplicate(),
		Clamped: int(m.GetClamped()), Durable: micros(m.GetDurableUs()), Visible: micros(m.GetVisibleUs()), Token: m.GetToken(),
	}
	s.tokens.add(r.Token, r.Position)
	s.c.saw(r.Token, r.Position)
	return r, nil
}

// sessionRecord makes a message of what a session takes.
func sessionRecord(r Record) (*tidalpb.SessionRecord, error) {
	switch x := r.(type) {
	case Note:
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Note{Note: &tidalpb.Note{Name: x.Name, Text: x.Text}}}, nil
	case Search:
		m := &tidalpb.Search{Query: x.Query, Results: idTexts(x.Results)}
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Search{Search: m}}, nil
	case Signal:
		if x.Key != "" {
			return nil, fault.Refuse("key", "is given; in a session requests have numbers")
		}
	case nil:
		return nil, fault.Refuse("", "is nil")
	}
	m, err := r.message()
	if err != nil {
		return nil, err
	}
	switch x := m.GetRecord().(type) {
	case *tidalpb.Record_Signal:
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Signal{Signal: x.Signal}}, nil
	case *tidalpb.Record_Relate:
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Relate{Relate: x.Relate}}, nil
	case *tidalpb.Record_SetMark:
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_SetMark{SetMark: x.SetMark}}, nil
	case *tidalpb.Record_Collect:
		return &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Collect{Collect: x.Collect}}, nil
	}
	return nil, fault.Refuse("", "is a %T; a session takes signals, marks, relations, collections, notes and searches", r)
}

// Rank answers what should be shown to the session's user, having seen all that the session wrote here.
func (s *Session) Rank(ctx context.Context, q Query) (*Answer, error) {
	if token := s.Token(); token != "" {
		ctx = WithToken(ctx, token)
	}
	if q.User == "" && q.Text == "" && q.JSON == "" {
		q.User = s.user
	}
	return s.c.Rank(ctx, q)
}

// Close ends the session, durably, and returns what happened in it.
func (s *Session) Close(ctx context.Context) (SessionSummary, error) {
	req := &tidalpb.CloseSessionRequest{User: idText(s.user), Id: idText(s.id), Token: s.Token()}
	res, err := invoke(ctx, s.c, "close session", once, req, tidalpbconnect.TidalClient.CloseSession)
	if err != nil {
		return SessionSummary{}, err
	}
	return summaryOf(res.GetSession()), nil
}
