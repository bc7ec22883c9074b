package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
)

// Between two readings of the clock one in refoldReadings of the records is written, within these bounds: few enough
// that ages are right within half a percent of the log, and so many that a large log is written in seconds.
const (
	refoldReadings = 256
	refoldLeast    = 16
	refoldMost     = 512
)

// Refold makes a database in a directory and writes to it what is for training: entities, signals, relations and marks,
// in order, signals under their own times. Its clock follows the events, and stands at the split's Now when Refold
// returns; so lists made with it are of that time.
//
// An item is put right before its first training event, or earlier if the log's directory has had it for longer: its
// age is then what it was. Items with training events that nobody put are put empty, because only items that exist are
// served. An item of which only hidden events speak isn't there.
//
// The caller closes the database.
func Refold(ctx context.Context, dir string, d *Data, s *Split, t *Training, step Step) (db *tidal.DB, err error) {
	steps := refoldSteps(d, s, t)
	var clock atomic.Int64
	clock.Store(s.Now)
	if len(steps) > 0 {
		clock.Store(min(s.Now, steps[0].time))
	}
	db, err = tidal.Open(dir, d.Schema, &tidal.Options{
		Now: func() time.Time { return time.UnixMilli(clock.Load()) },
		// It is read once and thrown away: no checkpoint, and a log that is kept although the clock runs through years.
		CheckpointBytes: -1, Retention: 100 * 365 * 24 * time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("make a database of the training events: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
			db = nil
		}
	}()
	total := len(steps)
	atOnce := min(max(total/refoldReadings, refoldLeast), refoldMost)
	for n := 0; len(steps) > 0; n++ {
		some := steps[:min(atOnce, len(steps))]
		steps = steps[len(some):]
		clock.Store(max(clock.Load(), some[len(some)-1].time))
		if _, _, err := db.Load(ctx, fmt.Sprintf("training-%d", n), refoldRecordsOf(d, some)); err != nil {
			return db, fmt.Errorf("write the training events: %w", err)
		}
		step.tell("writing training events, "+s.Name, total-len(steps), total)
	}
	clock.Store(s.Now)
	return db, nil
}

// refoldStep is one record to write, by its number among those of its kind.
type refoldStep struct {
	time  int64
	order int32 // of events and acts; entities come before what happens at the same time
	what  refoldKind
	index int
}

type refoldKind uint8

const (
	refoldEntity refoldKind = iota
	refoldItem              // one that nobody put
	refoldAct
	refoldEvent
)

func refoldSteps(d *Data, s *Split, t *Training) []refoldStep {
	steps := make([]refoldStep, 0, len(d.Events)+len(d.Entities))
	first := map[string]int64{}
	firstOf := make([]int64, len(d.Items))
	start := s.Now
	for i := range firstOf {
		firstOf[i] = math.MaxInt64
	}
	for i := range d.Events {
		e := &d.Events[i]
		if s.Part[d.Of[i]] != Train {
			continue
		}
		if firstOf[e.Item] == math.MaxInt64 {
			firstOf[e.Item], first[d.Items[e.Item]] = e.Time, e.Time
			start = min(start, e.Time)
		}
		steps = append(steps, refoldStep{e.Time, e.order, refoldEvent, i})
	}
	users := map[string]uint32{}
	for n, name := range d.Users {
		users[name] = uint32(n)
	}
	for i := range d.Acts {
		user, ok := users[d.Acts[i].User]
		if !ok {
			user = Nobody
		}
		if a := &d.Acts[i]; s.sees(d, user, a) {
			steps = append(steps, refoldStep{max(a.Time, start), a.order, refoldAct, i})
		}
	}
	served := map[string]bool{}
	for i, ok := range t.Served {
		if ok {
			served[t.Items[i]] = true
		}
	}
	for i := range d.Entities {
		e := &d.Entities[i]
		at := start
		if e.Kind == tidal.Item {
			if !served[e.ID] {
				continue
			}
			delete(served, e.ID)
			at = min(e.Touched.UnixMilli(), s.Now)
			if t, ok := first[e.ID]; ok {
				at = min(at, t)
			}
		}
		steps = append(steps, refoldStep{max(at, start), -1, refoldEntity, i})
	}
	for i, at := range firstOf {
		if at != math.MaxInt64 && served[d.Items[i]] {
			steps = append(steps, refoldStep{at, -1, refoldItem, i})
		}
	}
	slices.SortFunc(steps, func(a, b refoldStep) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.order, b.order), cmp.Compare(a.what, b.what),
			cmp.Compare(a.index, b.index))
	})
	return steps
}

func refoldRecordsOf(d *Data, steps []refoldStep) iter.Seq2[tidal.Record, error] {
	return func(yield func(tidal.Record, error) bool) {
		for _, s := range steps {
			var rec tidal.Record
			switch s.what {
			case refoldEntity:
				e := &d.Entities[s.index]
				rec = tidal.Put{Kind: e.Kind, ID: e.ID, Fields: e.Fields}
			case refoldItem:
				rec = tidal.Put{Kind: tidal.Item, ID: d.Items[s.index]}
			case refoldAct:
				rec = d.Acts[s.index].record
			case refoldEvent:
				rec = d.signal(&d.Events[s.index])
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// signal is an event as it is written again. A reference that it echoed is left out: it names a list of another
// database.
func (d *Data) signal(e *Event) tidal.Signal {
	out := tidal.Signal{
		Type: d.Schema.Signals[e.Type].Name, Item: d.Items[e.Item], Weight: e.Weight, Time: time.UnixMilli(e.Time),
		Cohorts: e.Cohorts,
	}
	if e.User != Nobody {
		out.User = d.Users[e.User]
	}
	if e.Creator != Nobody {
		out.Creator = d.Creators[e.Creator]
	}
	return out
}

// Step is told of progress: what is done, how far, and how far that goes. A nil one is off.
type Step func(what string, done, total int)

func (f Step) tell(what string, done, total int) {
	if f != nil {
		f(what, done, total)
	}
}
