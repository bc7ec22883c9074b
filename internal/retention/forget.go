package retention

import (
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Mark is the last record of one of the steps by which deletes are forgotten, of those that a replica holds.
type Mark struct {
	// Limit is the stamp up to which the step is about: deletes with higher ones aren't meant. 0 is no such record.
	Limit hlc.Timestamp
	// At is where the record stands in the log, and Time when it was written, in Unix milliseconds.
	At   id.Position
	Time int64
	// Needs is what whoever wrote it held. It has its effect where all of that is.
	Needs id.VersionVector
	// Again says that it was written a second time, once the first one was stable.
	Again bool
}

// later returns the one of two that rules: of the higher limit, then the second one, then that of the higher position.
func (m Mark) later(o Mark) Mark {
	switch {
	case o.Limit > m.Limit, o.Limit == m.Limit && o.Again && !m.Again,
		o.Limit == m.Limit && o.Again == m.Again && o.At.Compare(m.At) > 0:
		return o
	}
	return m
}

// Floor is how far a replica has forgotten what deletes left: the generations, with the ids, that guard against what was stamped
// before a delete was known. It goes on by three records, whose limits rise together:
//
//   - Announced: from here on nobody stamps a delete, or another register of an entity, at or below the limit.
//   - Complete: whoever holds this one holds every delete at or below the limit.
//   - Settled: nothing that was stamped by somebody who didn't is missing where this has its effect. So generations at or
//     below the limit are all the same from then on, [Floor.Generation], and an entity that has nothing else is gone.
//
// The zero value has forgotten nothing. Floors are a join: [Floor.Merge].
type Floor struct {
	Announced, Complete, Settled Mark
}

// Merge returns what somebody knows who knows both.
func (f Floor) Merge(o Floor) Floor {
	return Floor{
		Announced: f.Announced.later(o.Announced), Complete: f.Complete.later(o.Complete), Settled: f.Settled.later(o.Settled),
	}
}

// Generation returns the generation that a record belongs to which names one: 0 for all that are forgotten.
func (f Floor) Generation(named hlc.Timestamp) hlc.Timestamp {
	if named <= f.Settled.Limit {
		return 0
	}
	return named
}

// Known says what the group that stamped a batch had applied by then; each batch carries it. They are the limits of its floor.
type Known struct {
	Announced, Complete, Settled hlc.Timestamp
}

// Known returns what a batch that is stamped now carries.
func (f Floor) Known() Known {
	return Known{Announced: f.Announced.Limit, Complete: f.Complete.Limit, Settled: f.Settled.Limit}
}

// Waits reports whether a batch can't have its effect yet: who stamped it had forgotten more than this replica has, and named no
// generation where a guard still stands here.
func (f Floor) Waits(k Known) bool { return k.Settled > f.Settled.Limit }

// Strays reports whether a batch can't have its effect ever, because it was stamped by somebody who didn't know what it takes: its
// first event is at p, and lowest is the lowest stamp that it gives a register of an entity, such as a delete, 0 for none. There is
// one way to that: a region whose disk was taken back to before a step, and which wrote before it heard of the others again. Its
// origin stands still from there on, and what it wrote must be written anew.
//
// Of a step that has its effect here it takes what lies behind its needs: what lies before is here.
func (f Floor) Strays(p id.Position, k Known, lowest hlc.Timestamp) bool {
	if k.Complete < f.Settled.Limit && !f.Settled.Needs.Covers(p) {
		return true // it named generations without knowing the deletes that are forgotten here
	}
	// A delete that is complete here, and isn't.
	return k.Announced < f.Complete.Limit && !f.Complete.Needs.Covers(p) && lowest != 0 && lowest <= f.Complete.Limit
}

// Step is what is to be written next for forgetting.
type Step uint8

// The steps.
const (
	// Rest: nothing, for now.
	Rest Step = iota
	// Announce, Complete and Settle: a record of that sort.
	Announce
	Complete
	Settle
)

// String is for people.
func (s Step) String() string { return [...]string{"rest", "announce", "complete", "settle"}[s] }

// Turn is what the leader of the home region decides by. Times are in milliseconds.
type Turn struct {
	// Now is the time in Unix milliseconds.
	Now int64
	// Hold is how old a delete must be at least, and for how long what is complete stays so before it is settled: as long as the
	// log is kept, and as old as an image of a disk may be that somebody goes back to.
	Hold int64
	// Oldest is the stamp of the oldest delete that still guards something, 0 for none.
	Oldest hlc.Timestamp
	Floor  Floor
	// Ours is what is here, and Reports what each of the other regions said that it has; see [Stable].
	Ours    id.VersionVector
	Reports []Report
}

// Next returns what is to be written now, and what it says: Limit, Needs and Again of its mark. It returns the same until that is
// applied, and must not be asked again before.
//
// Announce and Complete are written twice. Where a record is applied, requests may be under way that were stamped before; they
// stand in that group's log in front of whatever reaches it later, and so are here once a second record is stable that was
// written when the first one was.
func (t *Turn) Next() (Step, Mark) {
	f := &t.Floor
	switch {
	case f.Complete.Limit > f.Settled.Limit:
		return t.after(f.Complete, Complete, Settle)
	case f.Announced.Limit > f.Complete.Limit:
		return t.after(f.Announced, Announce, Complete)
	}
	limit := hlc.Make(max(0, t.Now-t.Hold), 0)
	if t.Oldest == 0 || t.Oldest > limit {
		return Rest, Mark{}
	}
	return Announce, Mark{Limit: limit}
}

// after returns what follows a record, of a step that another one follows.
func (t *Turn) after(m Mark, step, next Step) (Step, Mark) {
	switch {
	case !Stable(m.At, t.Ours, t.Reports):
		return Rest, Mark{}
	case !m.Again:
		return step, Mark{Limit: m.Limit, Needs: m.Needs, Again: true}
	case next == Settle && t.Now-m.Time < t.Hold:
		return Rest, Mark{}
	}
	return next, Mark{Limit: m.Limit, Needs: t.Ours}
}
