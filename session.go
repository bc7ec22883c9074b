package tidal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// RateLimitError says that a session writes faster than its policy allows, and when to try again. Reach it with errors.As.
type RateLimitError = fault.RateLimited

// Errors of sessions; ask with errors.Is.
var (
	ErrSessionClosed = fault.ErrSessionClosed // the session has ended
	ErrSessionGap    = fault.ErrSessionGap    // a request skips too many numbers
	ErrRateLimited   = fault.ErrRateLimited   // see RateLimitError
)

// SessionStart begins a session.
type SessionStart struct {
	// ID names the session among those of its user, up to 64 bytes; empty draws one.
	ID string
	// User is whose session it is.
	User string
	// Agent is who acts in it, an assistant or a device, up to 64 bytes; may be empty.
	Agent string
	// Policy is the schema's policy that it is under; empty is none, which allows everything.
	Policy string
	// TTL is how long it lasts at most, in whole milliseconds up to 10 years; 0 is as long as the policy allows. A session
	// with neither TTL nor any limit of a policy ends when nothing was written in it for 24 hours.
	TTL time.Duration
	// Trace is the id under which the request's way is followed; zero derives one.
	Trace TraceID
}

// idleDefault ends sessions that nothing else would ever end.
const idleDefault = 24 * time.Hour

// maxTTL is the longest that a session may be told to last.
const maxTTL = 10 * 365 * 24 * time.Hour

// maxOpenSessions bounds the open sessions that a process holds in memory.
const maxOpenSessions = 1 << 20

// Session is an open session: an ordered lane of writes for one user, under a policy. Get one from [DB.StartSession] or
// [DB.Session]; its methods may be called from any goroutine, and handles of one session are one.
//
// A session ends with [Session.Close], when its time is up, or when its user is erased. Then nothing can be written in it
// any more ([ErrSessionClosed]), and its summary stays: a user's 64 newest sessions are kept.
type Session struct {
	db   *DB
	name sessionName
	lane string
	// What it was begun with, and as what.
	place  uint8
	opened int64
	begin  algebra.SessionBegin
	gen    hlc.Timestamp // of the user
	policy schema.SessionPolicy
	bucket *bucket

	ending sync.RWMutex // held shared by writes under way, and alone by what ends it
	ended  bool         // guarded by ending
	// reign is the term of the group in which this member, leading, learned how the session is; 0 where it didn't lead.
	reign atomic.Uint64

	mu     sync.Mutex // guards what follows
	last   int64      // when something was written last, 0 for never
	flight map[uint64]int
	seen   VersionVector
	// refused counts requests refused, of which written are in the log.
	refused, written uint64
}

type sessionName struct{ user, id string }

// sessions are the sessions that a database has open.
type sessions struct {
	mu   sync.Mutex // no other is taken while it is held
	open map[sessionName]*Session
	// ends are told by the engine, so its mutex is held for nothing else.
	ends struct {
		sync.Mutex
		due dueHeap
	}
	// starting are held while one of a user's sessions begins, each for users of one hash.
	starting [64]sync.Mutex
	counts   sessionCounts
	sweeping sweeping
}

// ID returns the session's id.
func (s *Session) ID() string { return s.name.id }

// User returns whose session it is.
func (s *Session) User() string { return s.name.user }

// Opened returns when it was begun.
func (s *Session) Opened() time.Time { return time.UnixMilli(s.opened).UTC() }

// Until returns when it ends at the latest, zero for never.
func (s *Session) Until() time.Time { return timeOf(s.begin.Until) }

// StartSession begins a session, durably. Beginning one again that is open, with the same agent, policy and TTL, changes
// nothing and returns it.
//
// Errors: [InputError], also for a user who has 64 open sessions; [ErrSessionClosed] for one that has ended;
// [ErrKeyReused] for an open one that was begun otherwise; and those of [DB.Write].
func (db *DB) StartSession(ctx context.Context, x SessionStart) (*Session, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	if x.ID == "" {
		x.ID = strings.ToLower(rand.Text())
	}
	if err := x.check(); err != nil {
		return nil, err
	}
	starting := &db.sessions.starting[xxh3.HashString(x.User)%uint64(len(db.sessions.starting))]
	starting.Lock()
	defer starting.Unlock()
	for {
		s, err := db.startOnce(ctx, &x)
		if err == nil || !schemaGrew(err) {
			return s, err
		}
	}
}

// schemaGrew reports whether a request met another version of the schema when it was stamped than when it was checked.
func schemaGrew(err error) bool {
	var in *fault.Input
	return errors.As(err, &in) && in.Field == "schema" && in.Record < 0
}

func (x *SessionStart) check() error {
	if err := id.Check("user", x.User); err != nil {
		return err
	}
	switch {
	case len(x.ID) > record.MaxSession:
		return fault.Refuse("id", "has %d bytes; it has 1 to %d bytes", len(x.ID), record.MaxSession)
	case len(x.Agent) > record.MaxAgent:
		return fault.Refuse("agent", "has %d bytes; at most %d are allowed", len(x.Agent), record.MaxAgent)
	case x.TTL < 0 || x.TTL > maxTTL || x.TTL%time.Millisecond != 0:
		return fault.Refuse("ttl", "is %v; it is from 1ms to %s in whole milliseconds, or 0", x.TTL,
			schema.FormatDuration(maxTTL))
	}
	return nil
}

func (db *DB) startOnce(ctx context.Context, x *SessionStart) (*Session, error) {
	now := db.now().UnixMilli()
	var s *Session
	var known engine.PlacedSession
	var body record.Session
	req := &replica.Request{}
	err := db.readUser(ctx, x.User, func(e *engine.Engine) error {
		current, hash := e.Schema()
		req.Schema = hash
		policy, err := policyOf(current, x.Policy)
		if err != nil {
			return err
		}
		all, err := e.Sessions(x.User)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(p engine.PlacedSession) bool { return p.ID == x.ID && !p.Begin.Stamp.IsZero() }); i >= 0 {
			known = all[i]
			return nil
		}
		body = record.Session{
			What: record.SessionOpens, User: x.User, ID: x.ID, Agent: x.Agent, Policy: x.Policy,
			Idle: policy.Idle.Milliseconds(),
		}
		if body.Place, body.Opened, err = placeFor(all, x.ID, now); err != nil {
			return err
		}
		// One that was begun before the user was erased is another one, and so is its lane.
		body.Opened = max(body.Opened, e.Generation(User, x.User).Millis()+1)
		if span := leastSpan(x.TTL, policy.MaxDuration); span > 0 {
			body.Until = body.Opened + span.Milliseconds()
		}
		if body.Until == 0 && body.Idle == 0 {
			body.Idle = idleDefault.Milliseconds()
		}
		body.Taste, err = db.taste(e, x.User, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if known.ID != "" {
		return db.startAgain(ctx, x, &known)
	}
	req.Records = []record.Proposed{{Kind: record.KindSession, Session: &body, Trace: x.Trace}}
	req.Content = record.ContentHash(req.Records)
	if err := replica.Check(req, db.Schema()); err != nil {
		return nil, err
	}
	if db.sessions.full() {
		return nil, fmt.Errorf("begin a session beside %d open ones: %w", maxOpenSessions, fault.ErrOverloaded)
	}
	if _, err := db.host.Write(ctx, req); err != nil {
		return nil, err
	}
	db.sessions.counts.begun.Add(1)
	if s, err = db.Session(ctx, x.User, x.ID); err != nil {
		return nil, err
	}
	return s, nil
}

// startAgain returns the session that was begun before, if it is open and what is asked for.
func (db *DB) startAgain(ctx context.Context, x *SessionStart, known *engine.PlacedSession) (*Session, error) {
	s, err := db.Session(ctx, x.User, x.ID)
	if err != nil {
		return nil, err
	}
	until := int64(0)
	if span := leastSpan(x.TTL, s.policy.MaxDuration); span > 0 {
		until = known.Opened + span.Milliseconds()
	}
	if known.Begin.Agent != x.Agent || known.Begin.Policy != x.Policy || known.Begin.Until != until {
		return nil, fmt.Errorf("session %q of user %q was begun with another agent, policy or TTL: %w", x.ID, x.User,
			fault.ErrKeyReused)
	}
	return s, nil
}

// leastSpan is the least of two spans of which 0 is none.
func leastSpan(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func policyOf(s *schema.Schema, name string) (schema.SessionPolicy, error) {
	if name == "" {
		return schema.SessionPolicy{}, nil
	}
	p, ok := s.SessionPolicy(name)
	if ok {
		return p, nil
	}
	var names []string
	for _, p := range s.SessionPolicies {
		names = append(names, p.Name)
	}
	near := ""
	if n := fault.Nearest(name, names); n != "" {
		near = fmt.Sprintf(" (did you mean %q?)", n)
	}
	return p, fault.Refuse("policy", "%q is no policy of the schema%s", name, near)
}

// placeFor chooses where a new session of a user is kept, and the time at which it counts as opened: in a free place, or
// else in that of the one that was opened first among those that have ended. Where the search for a free one begins
// depends on the id, so that two regions that begin sessions at the same time seldom choose the same.
func placeFor(all []engine.PlacedSession, name string, now int64) (place uint8, opened int64, err error) {
	taken := map[uint8]bool{}
	var oldest *engine.PlacedSession
	for i := range all {
		p := &all[i]
		taken[p.Place] = true
		due, limited := p.Due()
		over := !p.End.Stamp.IsZero() || p.Begin.Stamp.IsZero() || limited && due <= now
		if over && (oldest == nil || p.Compare(oldest.SessionKey) < 0) {
			oldest = p
		}
	}
	first := xxh3.HashString(name)
	for i := range uint64(record.SessionPlaces) {
		if place := uint8((first + i) % record.SessionPlaces); !taken[place] {
			return place, max(1, now), nil
		}
	}
	if oldest == nil {
		return 0, 0, fault.Refuse("user", "has %d open sessions, which is as many as can be", record.SessionPlaces)
	}
	return oldest.Place, max(now, oldest.Opened+1), nil
}

// Session returns an open session of a user, also one that another process has begun. [ErrNotFound] means that there is
// none of that id, or not among the user's 64 newest; [ErrSessionClosed] that it has ended. Beside that error the session is
// returned, too: it answers requests that come again, and its Close may be called again; nothing new can be written in it.
func (db *DB) Session(ctx context.Context, user, name string) (*Session, error) {
	for {
		s, err := db.lookUp(ctx, sessionName{user, name})
		if err != nil {
			return s, err
		}
		leave, err := s.enter(ctx)
		if errors.Is(err, errForgotten) {
			continue // the user was erased; there may be another session by now
		}
		if errors.Is(err, ErrSessionClosed) {
			return s, err
		}
		if err != nil {
			return nil, err
		}
		leave()
		return s, nil
	}
}

// lookUp returns a session from memory, or makes it of what is kept. It may have ended; if that is known the error says so,
// beside the session.
func (db *DB) lookUp(ctx context.Context, name sessionName) (*Session, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	if s := db.sessions.get(name); s != nil {
		return s, nil
	}
	s := &Session{db: db, name: name, flight: map[uint64]int{}}
	s.reign.Store(db.term())
	found := false
	err := db.readUser(ctx, name.user, func(e *engine.Engine) error {
		all, err := e.Sessions(name.user)
		if err != nil {
			return err
		}
		for i := range all {
			if p := &all[i]; p.ID == name.id && !p.Begin.Stamp.IsZero() {
				found = true
				current, _ := e.Schema()
				return s.restore(p, current, e)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("session %q of user %q: %w", name.id, name.user, fault.ErrNotFound)
	case s.ended:
		return s, s.closedError()
	}
	return db.sessions.put(s), nil
}

// restore goes on with a session as it is kept.
func (s *Session) restore(p *engine.PlacedSession, current *schema.Schema, e *engine.Engine) (err error) {
	s.place, s.opened, s.begin = p.Place, p.Opened, p.Begin
	s.lane = record.LaneOfSession(s.name.user, s.name.id, s.opened)
	s.ended, s.last, s.seen = !p.End.Stamp.IsZero(), p.Last, e.Vector()
	s.gen = e.Generation(User, s.name.user)
	s.refused = p.Refused.Added(s.db.host.Origin())
	s.written = s.refused
	s.policy, err = policyOf(current, p.Begin.Policy)
	s.bucket = newBucket(&s.policy)
	return err
}

func (s *Session) closedError() error {
	return fmt.Errorf("session %q of user %q: %w", s.name.id, s.name.user, fault.ErrSessionClosed)
}

// errForgotten says that a session isn't any more: its user was erased.
var errForgotten = fmt.Errorf("its user was erased: %w", fault.ErrNotFound)

// enter holds the session open until leave is called. It ends a session whose time is up. That it has ended is
// [fault.ErrSessionClosed].
func (s *Session) enter(ctx context.Context) (leave func(), err error) {
	if err := s.db.begin(ctx); err != nil {
		return nil, err
	}
	if s.db.generation(s.name.user) != s.gen {
		s.db.sessions.drop(s)
		return nil, fmt.Errorf("session %q of user %q: %w", s.name.id, s.name.user, errForgotten)
	}
	if err := s.renew(ctx); err != nil {
		return nil, err
	}
	s.ending.RLock()
	if s.ended {
		s.ending.RUnlock()
		return nil, s.closedError()
	}
	if due, ok := s.dueAt(); ok && due <= s.db.now().UnixMilli() {
		s.ending.RUnlock()
		if err := s.expire(ctx); err != nil {
			return nil, err
		}
		return nil, s.closedError()
	}
	return s.ending.RUnlock, nil
}

// renew looks whether the session has ended meanwhile, where another member of the group may have seen to that.
func (s *Session) renew(ctx context.Context) error {
	term := s.db.term()
	if s.db.reign == nil || term != 0 && s.reign.Load() == term {
		return nil
	}
	s.ending.Lock()
	defer s.ending.Unlock()
	err := s.db.readUser(ctx, s.name.user, func(e *engine.Engine) error {
		all, err := e.Sessions(s.name.user)
		i := slices.IndexFunc(all, func(p engine.PlacedSession) bool { return p.ID == s.name.id && p.Opened == s.opened })
		if err != nil || i < 0 {
			return err // it isn't here yet, or there were 64 others since
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.last = s.ended || !all[i].End.Stamp.IsZero(), max(s.last, all[i].Last)
		return nil
	})
	if err == nil {
		s.reign.Store(term)
	}
	return err
}

// term is that in which this member leads its group, 0 if it doesn't or is in none.
func (db *DB) term() uint64 {
	if db.reign == nil {
		return 0
	}
	return db.host.Reign()
}

// dueAt is when the session ends by itself.
func (s *Session) dueAt() (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := algebra.Session{
		SessionKey: algebra.SessionKey{Opened: s.opened, ID: s.name.id}, Begin: s.begin, Last: s.last,
	}
	return x.Due()
}

func (db *DB) generation(user string) (gen hlc.Timestamp) {
	_ = db.host.Read(func(e *engine.Engine) error {
		gen = e.Generation(User, user)
		return nil
	})
	return gen
}

func (x *sessions) get(name sessionName) *Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[name]
}

// put enters a session unless somebody was faster, and returns the one that is there.
func (x *sessions) put(s *Session) *Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	if there := x.open[s.name]; there != nil {
		return there
	}
	if x.open == nil {
		x.open = map[sessionName]*Session{}
	}
	x.open[s.name] = s
	return s
}

func (x *sessions) drop(s *Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open[s.name] == s {
		delete(x.open, s.name)
	}
}

func (x *sessions) full() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.open) >= maxOpenSessions
}

// timeOf is a time of which 0 is none.
func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}
