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
	mine  positions // of those and of what fell, the ones that this group answers for
}

// Pending returns up to limit events that this group answers for and that are to be taken back, in the order of their
// positions; none twice, and none that was. [Engine.TakesBack] says by which record; it must be the only one, and each
// stays until that is applied, or an [record.Undo] that says that there is nothing to take back.
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

// TakeBacks counts events that are to be taken back: by this group, as [Engine.Pending] lists them, and asked, the undos of events
// that this or any other group hasn't taken back yet, as far as is known here.
func (e *Engine) TakeBacks() (mine, asked int) {
	return len(e.takeBacks.mine.in), len(e.takeBacks.asked.in)
}

// TakesBack returns the kind of the record that takes a pending event back: [record.KindDuplicate] for a copy that fell,
// [record.KindCompensate] for one that somebody undid, and 0 for an event that isn't pending.
func (e *Engine) TakesBack(p id.Position) record.Kind {
	switch {
	case !e.takeBacks.mine.has(p):
		return 0
	case e.takeBacks.asked.has(p):
		return record.KindCompensate
	}
	return record.KindDuplicate
}

// Undone reports whether whoever wrote the event at p wants it undone: it was compensated, or will be by the group that
// answers for it. A copy that fell isn't undone: the event counts, at another position.
func (e *Engine) Undone(p id.Position) bool { return e.undone(p).Retracted() }

// Negated reports whether the event at p doesn't count: it is undone, or a copy of one that counts elsewhere, as far as
// that is known here.
func (e *Engine) Negated(p id.Position) bool {
	u := e.undone(p)
	return u.Retracted() || u == algebra.UndoneDuplicate || e.fallen.has(p)
}

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
	return e.mark(u.Original, mark)
}

// mark merges a mark into what is known of a position.
func (e *Engine) mark(p id.Position, mark algebra.Undone) error {
	key := undoneKey(e.table.Owner(state.KindGlobal, undoneOwner(p)), p)
	at := e.table.Lookup(key)
	old, err := algebra.DecodeUndone(e.table.Value(at))
	if err != nil {
		return err
	}
	e.table.Set(key, at, old.Merge(mark).AppendBinary(nil))
	e.marked(p, old.Merge(mark))
	return nil
}

// marked notes what became of a position.
func (e *Engine) marked(p id.Position, u algebra.Undone) {
	if u.Settled() && e.fallen.remove(p) {
		e.fallen.note(p)
	}
	if e.folding {
		return // nothing is known there of the whole state
	}
	t := &e.takeBacks
	switch {
	case u.Settled():
		t.asked.remove(p)
		t.mine.remove(p)
	case u == algebra.UndoneAsked:
		t.asked.add(p, 0)
		if e.AnswersFor(p.Origin()) {
			t.mine.add(p, 0)
		}
	}
}

// surveyPending finds anew which events this group answers for, and drops what was settled.
func (e *Engine) surveyPending() {
	if e.folding {
		return
	}
	t := &e.takeBacks
	t.mine = positions{}
	for _, s := range []*positions{&t.asked, &e.fallen.positions} {
		s.all(func(p id.Position) bool {
			if e.undone(p).Settled() {
				s.remove(p)
			} else if e.AnswersFor(p.Origin()) {
				t.mine.add(p, 0)
			}
			return true
		})
	}
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
