package tidal

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// Close ends the session, durably, and returns its summary. What is under way is waited for. A second Close returns the
// summary again, while it is kept; a session that has ended otherwise can be closed, too.
func (s *Session) Close(ctx context.Context) (SessionSummary, error) {
	leave, err := s.enter(ctx)
	switch {
	case err == nil:
		leave()
		if err := s.end(ctx, false); err != nil {
			return SessionSummary{}, err
		}
	case !errors.Is(err, fault.ErrSessionClosed):
		return SessionSummary{}, err
	}
	return s.db.SessionSummary(ctx, s.name.user, s.name.id)
}

// expire ends a session whose time is up, as of then.
func (s *Session) expire(ctx context.Context) error { return s.end(ctx, true) }

// end writes that the session has ended, if it is open and, by itself, if it is due.
func (s *Session) end(ctx context.Context, auto bool) error {
	s.ending.Lock()
	defer s.ending.Unlock()
	now := s.db.now().UnixMilli()
	due, limited := s.dueAt()
	switch over := limited && due <= now; {
	case s.ended || auto && !over:
		return nil
	case over: // however late somebody looks
		now, auto = due, true
	}
	body := s.body(record.SessionCloses)
	body.At, body.Auto, body.Refused = max(now, s.opened), auto, s.refusals()
	err := s.db.readUser(ctx, s.name.user, func(e *engine.Engine) (err error) {
		body.Taste, err = s.db.taste(e, s.name.user, s.db.now().UnixMilli())
		return err
	})
	if err != nil {
		return err
	}
	// What is begun is waited for: whether the session is open must be known.
	if err := s.db.writeSession(context.WithoutCancel(ctx), body); err != nil {
		return err
	}
	s.ended = true
	s.db.sessions.drop(s)
	if auto {
		s.db.sessions.counts.expired.Add(1)
	} else {
		s.db.sessions.counts.closed.Add(1)
	}
	return nil
}

// writeSession writes a record of a session that stands outside of its lane.
func (db *DB) writeSession(ctx context.Context, body *record.Session) error {
	for {
		req := &replica.Request{Records: []record.Proposed{{Kind: record.KindSession, Session: body}}}
		req.Content = record.ContentHash(req.Records)
		err := db.read(ctx, func(e *engine.Engine) error {
			s, hash := e.Schema()
			req.Schema = hash
			return replica.Check(req, s)
		})
		if err == nil {
			_, err = db.host.Write(ctx, req)
		}
		if err == nil || !schemaGrew(err) {
			return err
		}
	}
}

// due is a session that ends by itself at a time in Unix milliseconds, or later if something is written until then.
type due struct {
	at int64
	sessionName
}

// dueHeap has the next one in front.
type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// remember is told by the engine when sessions end by themselves. It must not look at the engine.
func (x *sessions) remember(user, session string, at int64) {
	x.ends.Lock()
	defer x.ends.Unlock()
	heap.Push(&x.ends.due, due{at, sessionName{user, session}})
}

// pop returns a session that may be due, false if there is none.
func (x *sessions) pop(now int64) (name sessionName, ok bool) {
	x.ends.Lock()
	defer x.ends.Unlock()
	if len(x.ends.due) == 0 || x.ends.due[0].at > now {
		return name, false
	}
	return heap.Pop(&x.ends.due).(due).sessionName, true
}

// unwritten returns the sessions of which refusals aren't in the log.
func (x *sessions) unwritten() (out []*Session) {
	x.mu.Lock()
	for _, s := range x.open {
		out = append(out, s)
	}
	x.mu.Unlock()
	return slices.DeleteFunc(out, func(s *Session) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.refused == s.written
	})
}

// sweepInterval is how often sessions whose time is up are looked for, and refusals written down. Who writes in a session
// in between finds out by itself.
const sweepInterval = 30 * time.Second

// sweeping is the goroutine that does so.
type sweeping struct {
	stop   context.CancelFunc // nil for a reader
	done   chan struct{}
	mu     sync.Mutex
	failed error // the first failure, for Close
}

// startSweeping starts the goroutine of a database that is open for writing.
func (db *DB) startSweeping() {
	ctx, stop := context.WithCancel(context.Background())
	w := &db.sessions.sweeping
	w.stop, w.done = stop, make(chan struct{})
	go func() {
		defer close(w.done)
		db.sweeps(ctx)
	}()
}

// sweeps sweeps until ctx ends.
func (db *DB) sweeps(ctx context.Context) {
	w := &db.sessions.sweeping
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := db.sweep(ctx)
		if err == nil || ctx.Err() != nil || db.reign != nil && lostLead(err) {
			continue
		}
		w.mu.Lock()
		if w.failed == nil {
			w.failed = err
		}
		w.mu.Unlock()
	}
}

// lostLead reports whether an error comes of leadership moving, or of the region having become one that takes no writes: whoever
// leads next, or the other regions do the same again.
func lostLead(err error) bool {
	return errors.Is(err, fault.ErrNotLeader) || errors.Is(err, fault.ErrUnknown) || errors.Is(err, fault.ErrClock) ||
		errors.Is(err, fault.ErrReadOnly)
}

// stopSweeping ends the goroutine, writes down what was refused, and returns what failed.
func (db *DB) stopSweeping() error {
	w := &db.sessions.sweeping
	if w.stop == nil {
		return nil
	}
	w.stop()
	<-w.done
	var err error
	if !db.follows() {
		err = db.writeRefusals(context.Background())
	}
	if db.reign != nil && lostLead(err) {
		err = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
	return w.failed
}

// sweep ends the sessions whose time is up, writes refusals down that nothing else has, and sees to the keys, at home.
func (db *DB) sweep(ctx context.Context) error {
	now := db.now().UnixMilli()
	if db.follows() {
		return db.glance(ctx, now)
	}
	ends := true
	if missing, _ := db.host.Reach(); len(missing) > 0 {
		// A session that nobody has written in may have been written in there.
		ends = false
		if err := db.glance(ctx, now); err != nil {
			return err
		}
	}
	for ends {
		name, ok := db.sessions.pop(now)
		if !ok {
			break
		}
		if err := db.sweepOne(ctx, name); err != nil {
			db.sessions.remember(name.user, name.id, now) // again next time
			return fmt.Errorf("end session %q of user %q: %w", name.id, name.user, err)
		}
	}
	if err := db.writeRefusals(ctx); err != nil {
		return err
	}
	if !db.host.Home() {
		return nil
	}
	if err := db.host.TendKeys(ctx, false); err != nil {
		return fmt.Errorf("tend keys: %w", err)
	}
	return nil
}

// glance forgets sessions that have ended, which whoever leads sees to.
func (db *DB) glance(ctx context.Context, now int64) error {
	again := now + sweepInterval.Milliseconds()
	for {
		name, ok := db.sessions.pop(now)
		if !ok {
			return nil
		}
		open, err := db.isOpen(ctx, name)
		if open || err != nil {
			db.sessions.remember(name.user, name.id, again)
		}
		if err != nil {
			return err
		}
	}
}

// isOpen reports whether a session is open as far as is known here.
func (db *DB) isOpen(ctx context.Context, name sessionName) (open bool, err error) {
	err = db.readUser(ctx, name.user, func(e *engine.Engine) error {
		all, err := e.Sessions(name.user)
		open = slices.ContainsFunc(all, func(p engine.PlacedSession) bool {
			return p.ID == name.id && !p.Begin.Stamp.IsZero() && p.End.Stamp.IsZero()
		})
		return err
	})
	return open, err
}

// sweepOne ends a session if it is due, and remembers otherwise when it will be.
func (db *DB) sweepOne(ctx context.Context, name sessionName) error {
	s, err := db.lookUp(ctx, name)
	if err == nil {
		var leave func()
		if leave, err = s.enter(ctx); err == nil {
			leave()
		}
	}
	switch {
	case errors.Is(err, fault.ErrSessionClosed), errors.Is(err, fault.ErrNotFound):
		return nil // by now, or it was before
	case err != nil:
		return err
	}
	if at, limited := s.dueAt(); limited {
		db.sessions.remember(name.user, name.id, at)
	}
	return nil
}

// writeRefusals writes down how many requests of each session were refused, where nothing has since.
func (db *DB) writeRefusals(ctx context.Context) error {
	for _, s := range db.sessions.unwritten() {
		s.ending.RLock()
		body := s.body(record.SessionWrites)
		body.Refused = s.refusals()
		var err error
		if !s.ended && db.generation(s.name.user) == s.gen {
			err = db.writeSession(ctx, body)
		}
		s.ending.RUnlock()
		if err != nil {
			return fmt.Errorf("write down what was refused in session %q: %w", s.name.id, err)
		}
		s.mu.Lock()
		s.written = max(s.written, body.Refused)
		s.mu.Unlock()
	}
	return nil
}
