package tidal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/schema"
)

const (
	// exportAtOnce is how many events are looked up in the engine at a time, which holds up writes.
	exportAtOnce = 128
	// Each time that it has worked for exportWork, an export rests, the longer the more of its time the goroutine of writes
	// works: twice as long as it worked for each percent, and at most exportRest times.
	exportWork = 250 * time.Microsecond
	exportRest = 32
)

// exportRun is one export under way.
type exportRun struct {
	db       *DB
	query    *ExportQuery
	walk     *host.Walk
	fresh    bool // it begins with what the log has, and not behind what was read
	from, to int64
	bound    int64 // how far a time may lie ahead of the clock that stamped it, in milliseconds
	versions map[schema.Hash]*schema.Schema

	steps []host.Step  // read and not looked through yet
	found []foundEvent // in those looked through last
	// What became of found is known up to judged, as of when the engine had counted so many retractions.
	judged      int
	retractions uint64
	// How far the run has come: to the event given or left out last; without one behind all of passed; without one to where
	// it began. looked is the batch looked through last.
	last           *foundEvent
	passed, looked *host.Step
	began          export.Cursor
	worked         time.Duration // since it rested; what the events' reader does with them isn't work of the run's
}

// foundEvent is an event of the log that the query's filters let through.
type foundEvent struct {
	step   *host.Step
	record record.Record
	signal record.Signal
	name   string          // of the signal's type
	said   *record.Session // for what a session says beside signals, instead of these
	// What became of it: whether nobody may be told of it any more, and whether it was undone.
	withdrawn, undone bool
}

// after reports whether all the query's events were surely written at a time or later.
func (r *exportRun) after(t time.Time) bool {
	return !r.query.From.IsZero() && r.from > t.UnixMilli()+r.bound
}

// next looks for some more events, and reports whether there may be any. Those before were all given.
func (r *exportRun) next(ctx context.Context) (some bool, err error) {
	began := time.Now()
	defer func() { r.worked += time.Since(began) }()
	r.found, r.judged, r.last = r.found[:0], 0, nil
	for len(r.found) == 0 {
		r.passed = r.looked
		if err := r.db.begin(ctx); err != nil {
			return false, err
		}
		r.worked += time.Since(began)
		if err := r.pace(ctx); err != nil {
			return false, err
		}
		began = time.Now()
		if len(r.steps) == 0 {
			if r.steps, err = r.walk.Next(); err != nil {
				return false, err
			}
			if len(r.steps) == 0 {
				r.passed, r.began = nil, r.walk.Cursor()
				return false, nil
			}
		}
		for len(r.steps) > 0 && len(r.found) < exportAtOnce {
			if err := r.look(&r.steps[0]); err != nil {
				return false, err
			}
			r.looked, r.steps = &r.steps[0], r.steps[1:]
		}
	}
	return true, nil
}

// pace lets writes go first.
func (r *exportRun) pace(ctx context.Context) error {
	if r.worked < exportWork {
		return nil
	}
	rest := r.worked * time.Duration(min(exportRest, 2*r.db.host.Effort()))
	if r.worked = 0; rest == 0 {
		return nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return r.db.begin(ctx)
	}
}

// look appends the events of a batch that the filters let through.
func (r *exportRun) look(step *host.Step) error {
	b := &step.Batch
	if !r.query.From.IsZero() && int64(b.Header.Timestamp/1e6)+r.bound < r.from {
		return nil // no event is so far ahead of when it was written
	}
	for rec, err := range b.Records() {
		if err != nil {
			return fmt.Errorf("read batch %v: %w", b.Origin().At(b.Header.First), err)
		}
		if rec.Seq < step.First || !r.wanted(&rec.Meta) {
			continue
		}
		f, ok := foundEvent{step: step, record: rec}, false
		switch rec.Kind {
		case record.KindSignal:
			ok, err = r.signal(&f)
		case record.KindSession:
			ok, err = r.said(&f)
		}
		if err != nil {
			return fmt.Errorf("read %v %v: %w", rec.Kind, b.Origin().At(rec.Seq), err)
		}
		if ok {
			r.found = append(r.found, f)
		}
	}
	return nil
}

// signal reads a signal, and reports whether the filters let it through.
func (r *exportRun) signal(f *foundEvent) (bool, error) {
	s, q := &f.signal, r.query
	err := record.DecodeSignal(f.record.Body, s)
	if err != nil || q.User != "" && q.User != s.User || q.Item != "" && q.Item != s.Item {
		return false, err
	}
	f.name, err = r.typeName(f.step.Batch.Ext.Schema, s.Type)
	return err == nil && (len(q.Types) == 0 || slices.Contains(q.Types, f.name)), err
}

// said reads what a session says, and reports whether that is a note or a search that the filters let through.
func (r *exportRun) said(f *foundEvent) (bool, error) {
	q := r.query
	if len(q.Types) > 0 || q.Item != "" {
		return false, nil
	}
	f.said = &record.Session{}
	if err := record.DecodeSession(f.record.Body, f.said); err != nil {
		return false, err
	}
	told := f.said.What == record.SessionNotes || f.said.What == record.SessionSearches
	return told && (q.User == "" || q.User == f.said.User), nil
}

// user returns whose event it is, with the user's generation when it was written.
func (f *foundEvent) user() (string, hlc.Timestamp) {
	if f.said != nil {
		return f.said.User, f.said.UserGen
	}
	return f.signal.User, f.signal.UserGen
}

// wanted reports whether the filters that need no body let a record through.
func (r *exportRun) wanted(m *record.Meta) bool {
	q := r.query
	switch {
	case !q.From.IsZero() && m.Time < r.from, !q.To.IsZero() && m.Time >= r.to:
		return false
	case q.Session != "":
		session, ok := record.SessionOfLane(m.Lane.Producer)
		return ok && session == q.Session
	}
	return true
}

// typeName names a signal type of a schema version.
func (r *exportRun) typeName(version schema.Hash, index uint16) (string, error) {
	s, ok := r.versions[version]
	if !ok {
		_ = r.db.host.Read(func(e *engine.Engine) error {
			s = e.Version(version)
			return nil
		})
		r.versions[version] = s
	}
	if s == nil || int(index) >= len(s.Signals) {
		return "", fault.Damaged("", 0, "signal type %d is not in schema version %v", index, version)
	}
	return s.Signals[index].Name, nil
}

// judge looks up what became of some events, from one on.
func (r *exportRun) judge(from int) error {
	some := r.found[from:min(from+exportAtOnce, len(r.found))]
	r.judged = from + len(some)
	r.retractions = r.db.host.Retractions() // before: what comes meanwhile is looked up again
	return r.db.host.Read(func(e *engine.Engine) error {
		for i := range some {
			f := &some[i]
			f.withdrawn = e.Withdrawn(f.user())
			f.undone = e.Negated(f.position())
		}
		return nil
	})
}

func (f *foundEvent) position() Position { return f.step.Batch.Origin().At(f.record.Seq) }

// give makes an event of what was found, unless it isn't to be told: it was withdrawn, or undone and nobody asked. That is so
// as of now, and not as of when it was read.
func (r *exportRun) give(i int) (x Exported, ok bool, err error) {
	began := time.Now()
	defer func() { r.worked += time.Since(began) }()
	if i >= r.judged || r.db.host.Retractions() != r.retractions {
		if err := r.judge(i); err != nil {
			return x, false, err
		}
	}
	f := &r.found[i]
	if !f.withdrawn && (!f.undone || r.query.WithUndone) {
		if x, err = r.event(f); err != nil {
			return x, false, err
		}
		ok = true
	}
	r.last = f
	return x, ok, nil
}

// event copies what the log lends.
func (r *exportRun) event(f *foundEvent) (Exported, error) {
	m := &f.record.Meta
	user, _ := f.user()
	cursor := f.step.Cursor(f.record.Seq)
	x := Exported{
		Position: f.position(), Time: time.UnixMilli(m.Time).UTC(), User: strings.Clone(user), Key: strings.Clone(m.Key),
		Lane: strings.Clone(m.Lane.Producer), Number: m.Lane.Request, Undone: f.undone, Trace: m.Trace, Cursor: cursor.Text(),
	}
	if session, ok := record.SessionOfLane(x.Lane); ok {
		x.Session, x.Lane = session, ""
	}
	if f.said != nil {
		x.tell(f.said)
		return x, nil
	}
	return x, r.fill(&x, f)
}

// tell says what a session said.
func (x *Exported) tell(s *record.Session) {
	x.Kind, x.Type, x.Text = kindSearch, strings.Clone(s.Name), strings.Clone(s.Text)
	if s.What == record.SessionNotes {
		x.Kind = kindAnnotation
	}
	for _, item := range s.Results {
		x.Results = append(x.Results, strings.Clone(item))
	}
}

// fill says what a signal is.
func (r *exportRun) fill(x *Exported, f *foundEvent) error {
	s := &f.signal
	x.Kind, x.Type, x.Weight = kindSignal, f.name, float64(s.Weight)/float64(fixed.One)
	x.Item, x.Creator = strings.Clone(s.Item), strings.Clone(s.Creator)
	for _, c := range s.Cohorts {
		x.Cohorts = append(x.Cohorts, strings.Clone(c))
	}
	if s.Ref == "" {
		return nil
	}
	ref, err := r.db.Ref([]byte(s.Ref))
	switch {
	case errors.Is(err, fault.ErrInput) || err == nil && !(&token.Ref{Item: ref.Item}).Of(s.Item):
		x.RawRef = []byte(s.Ref)
	case err != nil:
		return err
	default:
		x.Ref = &ref
	}
	return nil
}

// cursor is how far the run has come.
func (r *exportRun) cursor() string {
	c := r.began
	if f := r.last; f != nil {
		c = f.step.Cursor(f.record.Seq)
	} else if r.passed != nil {
		c = r.passed.Cursor(r.passed.Batch.Header.Last)
	}
	return c.Text()
}
