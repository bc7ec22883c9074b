package engine

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// takeBacks are events that wait for being taken back by the group that answers for them.
type takeBacks struct {
	asked positions // that somebody undid elsewhere: a view of the marks in the state
	mine  positions // of those, the ones that this group answers for
}

// Pending returns up to limit events that this group answers for and that are to be compensated, in the order of their
// positions; none twice, and none that was. They stay until the compensation is applied, or an [record.Undo] that says
// that there is nothing to compensate.
func (e *Engine) Pending(limit int) []id.Position { return e.PendingAfter(id.Position{}, limit) }

// PendingAfter is [Engine.Pending] from above a position on: for going past those that can't be had.
func (e *Engine) PendingAfter(p id.Position, limit int) []id.Position {
	var out []id.Position
	e.takeBacks.mine.after(p, func(q id.Position) bool {
		if len(out) < limit {
			out = append(out, q)
		}
		return len(out) < limit
	})
	return out
}

// Negated reports whether the event at p counts as undone: it was compensated, or somebody undid it elsewhere and the
// group that answers for it has yet to say so.
func (e *Engine) Negated(p id.Position) bool { return e.undone(p).Stands() }

// undone returns what became of the event at p.
func (e *Engine) undone(p id.Position) algebra.Undone {
	owner, ok := e.table.Find(state.KindGlobal, undoneOwner(p))
	if !ok {
		return 0
	}
	v, _ := e.table.Get(undoneKey(owner, p))
	u, err := algebra.DecodeUndone(v)
	if err != nil {
		return 0
	}
	return u
}

// applyUndo marks a position: its event counts as undone from here on, or, of a void one, there is no signal.
func (e *Engine) applyUndo(u *record.Undo) error {
	mark := algebra.UndoneAsked
	if u.Void {
		mark = algebra.UndoneVoid
	}
	return e.settle(u.Original, mark)
}

// settle merges a mark into what is known of a position.
func (e *Engine) settle(p id.Position, mark algebra.Undone) error {
	key := undoneKey(e.table.Owner(state.KindGlobal, undoneOwner(p)), p)
	at := e.table.Lookup(key)
	old, err := algebra.DecodeUndone(e.table.Value(at))
	if err != nil {
		return err
	}
	e.table.Set(key, at, old.Merge(mark).AppendBinary(nil))
	e.settled(p, old.Merge(mark))
	return nil
}

// settled notes what became of a position.
func (e *Engine) settled(p id.Position, u algebra.Undone) {
	if e.folding {
		return // of the whole state nothing is known there
	}
	t := &e.takeBacks
	if u != algebra.UndoneAsked {
		t.asked.remove(p)
		t.mine.remove(p)
		return
	}
	t.asked.add(p)
	if e.AnswersFor(p.Origin()) {
		t.mine.add(p)
	}
}

// surveyPending finds anew which events this group answers for.
func (e *Engine) surveyPending() error {
	t := &e.takeBacks
	t.mine = positions{}
	t.asked.after(id.Position{}, func(p id.Position) bool {
		if e.AnswersFor(p.Origin()) {
			t.mine.add(p)
		}
		return true
	})
	return nil
}

// undonePosition returns the position that an undone mark is about, false if it isn't one.
func undonePosition(owner, sub string) (id.Position, bool) {
	if len(owner) != 16 || len(sub) != 2 {
		return id.Position{}, false
	}
	block := binary.BigEndian.Uint64([]byte(owner[8:]))
	seq := id.Seq(block)*undoneBlock + id.Seq(binary.BigEndian.Uint16([]byte(sub)))
	return id.UnpackOrigin(binary.BigEndian.Uint64([]byte(owner))).At(seq), true
}
