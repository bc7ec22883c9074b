package lifecycle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Recorder is a [Tracer] that keeps everything in memory, for tests, the simulator and readers of a dump. The zero
// value is ready. It has no bound, so it isn't for a server; and as every Tracer it is used by one goroutine at a time.
type Recorder struct {
	events []event
	links  int
}

// event is a transition, or a link when isLink is set. They share one list because their order is the story.
type event struct {
	transition Transition
	link       Link
	isLink     bool
}

// Mark keeps t.
func (r *Recorder) Mark(t Transition) { r.events = append(r.events, event{transition: t}) }

// Relate keeps l.
func (r *Recorder) Relate(l Link) {
	r.events = append(r.events, event{link: l, isLink: true})
	r.links++
}

// Transitions returns a copy of what was marked, in order.
func (r *Recorder) Transitions() []Transition {
	out := make([]Transition, 0, len(r.events)-r.links)
	for i := range r.events {
		if !r.events[i].isLink {
			out = append(out, r.events[i].transition)
		}
	}
	return out
}

// Links returns a copy of what was related, in order.
func (r *Recorder) Links() []Link {
	out := make([]Link, 0, r.links)
	for i := range r.events {
		if r.events[i].isLink {
			out = append(out, r.events[i].link)
		}
	}
	return out
}

// Reset forgets everything. A replica that restarts begins with an empty record: its instances are new ones.
func (r *Recorder) Reset() { r.events, r.links = r.events[:0], 0 }

// String prints one line per transition or link, in order: the form that golden tests compare.
func (r *Recorder) String() string {
	var b []byte
	for i := range r.events {
		if e := &r.events[i]; e.isLink {
			b = e.link.append(b)
		} else {
			b = e.transition.append(b)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// Check returns nil when the history is legal, else every move that isn't, joined into one error:
//
//   - each instance begins in an initial state, takes only declared ways, and does nothing after its end;
//   - a log index holds one entry at a time, and a transition names the term of the entry that it moves;
//   - a link joins instances that were marked before it.
//
// An instance that is still open at the end of the record is legal; see [Recorder.Open].
func (r *Recorder) Check() error {
	_, err := r.replay()
	return err
}

// Open returns the numbered instances that have begun and not ended, by machine and number. A test that expects all
// work to be finished asserts that there are none.
func (r *Recorder) Open() []Ref {
	c, _ := r.replay()
	var open []Ref
	for ref, s := range c.numbered {
		if ends, _ := ref.Machine.Ends(s); !ends {
			open = append(open, ref)
		}
	}
	slices.SortFunc(open, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Instance, b.Instance))
	})
	return open
}

func (r *Recorder) replay() (*checker, error) {
	c := &checker{numbered: map[Ref]State{}, entries: map[uint64]entry{}}
	var errs []error
	for i := range r.events {
		if err := c.event(&r.events[i]); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", i+1, err))
		}
	}
	return c, errors.Join(errs...)
}

// checker holds where every instance stands. An illegal move is reported and then believed, so that one mistake
// isn't reported again by each move that follows it.
type checker struct {
	numbered map[Ref]State
	entries  map[uint64]entry // live log entries by index
}

type entry struct {
	term  uint64
	state State
}

// maxRange bounds the indexes that one transition moves, so that a wild range in a damaged dump is an error and not
// a loop without end. It is far above what a log holds between two checkpoints.
const maxRange = 1 << 24

func (c *checker) event(e *event) error {
	if e.isLink {
		return c.link(e.link)
	}
	t := e.transition
	if t.Machine.ByIndex() {
		return c.moveEntries(t)
	}
	ref := Ref{t.Machine, t.Instance}
	if t.Instance == 0 {
		return fmt.Errorf("%v: an instance of %v needs a number", t, t.Machine)
	}
	from := c.numbered[ref]
	c.numbered[ref] = t.State
	return move(t, from)
}

func (c *checker) link(l Link) error {
	for _, ref := range []Ref{l.From, l.To} {
		if c.numbered[ref] == 0 {
			return fmt.Errorf("%v: %v wasn't marked before", l, ref)
		}
	}
	return nil
}

func (c *checker) moveEntries(t Transition) error {
	switch {
	case t.Instance != 0:
		return fmt.Errorf("%v: entries are named by their index, not by a number", t)
	case t.First == 0 || t.Last < t.First || t.Last-t.First >= maxRange:
		return fmt.Errorf("%v: not a range of indexes", t)
	}
	ends, _ := t.Machine.Ends(t.State)
	if t.Term == 0 && !ends {
		return fmt.Errorf("%v: an entry that goes on needs its term", t)
	}
	var first error // one mistake in a range is told once
	for i := range t.Last - t.First + 1 {
		if err := c.moveEntry(t, t.First+i, ends); err != nil && first == nil {
			first = fmt.Errorf("index %d: %w", t.First+i, err)
		}
	}
	return first
}

func (c *checker) moveEntry(t Transition, index uint64, ends bool) error {
	live, held := c.entries[index]
	if ends {
		delete(c.entries, index)
	} else {
		c.entries[index] = entry{t.Term, t.State}
	}
	if held && t.Term != 0 && t.Term != live.term {
		return fmt.Errorf("%v: the entry there is of term %d", t, live.term)
	}
	return move(t, live.state)
}

func move(t Transition, from State) error {
	switch {
	case t.Machine.rules() == nil:
		return fmt.Errorf("%v: no such machine", t)
	case t.Machine.rule(t.State) == nil:
		return fmt.Errorf("%v: %v has no such state", t, t.Machine)
	case t.Machine.Allows(from, t.State):
		return nil
	case from == 0:
		return fmt.Errorf("%v: nothing begins in this state", t)
	}
	if ends, _ := t.Machine.Ends(from); ends {
		return fmt.Errorf("%v: it had ended in %v", t, from)
	}
	return fmt.Errorf("%v: no way from %v", t, from)
}
