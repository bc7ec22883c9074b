package reconcile

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Side is one of the two: a replica's log, and the door to its group.
type Side interface {
	Log
	// Vector is what is applied.
	Vector() id.VersionVector
	// Take hands an entry to the group, a batch or a range, and returns once it's applied, waits for a schema version, or turns
	// out to be there already. Of a range it takes what isn't there. An error says that it may not have been taken.
	Take(entry []byte) error
}

// ReconciliationEngine plans and closes the gap between two sides. It keeps nothing: what is done shows in the sides'
// vectors.
type ReconciliationEngine struct {
	local, remote Side
}

// New returns an engine for two sides.
func New(local, remote Side) *ReconciliationEngine { return &ReconciliationEngine{local, remote} }

// Progress is how far the applying of a plan has come.
type Progress struct {
	// Origin is the one that something was moved of, ToLocal which way.
	Origin  id.Origin
	ToLocal bool
	// Done of Total events of it are there. Bytes were moved so far, of the whole plan.
	Done, Total uint64
	Bytes       int64
}

// chunk is how many bytes of batches are read at a time.
const chunk = 512 << 10

// Apply carries a plan out. show is told of progress; nil is nobody. What came by other ways meanwhile is left out. After
// an error, or a crash of either side, a plan made of what is there then goes on; the same plan does, too, and what it has
// moved already it doesn't move again.
//
// The error is [fault.ErrGone] where nothing that is there closes the gap.
func (e *ReconciliationEngine) Apply(p Plan, show func(Progress)) error {
	run := applying{show: show}
	for i := range p.ToLocal {
		if err := run.move(e.remote, e.local, &p.ToLocal[i], true); err != nil {
			return fmt.Errorf("to local: %w", err)
		}
	}
	for i := range p.ToRemote {
		if err := run.move(e.local, e.remote, &p.ToRemote[i], false); err != nil {
			return fmt.Errorf("to remote: %w", err)
		}
	}
	return nil
}

// applying is one call of Apply.
type applying struct {
	show  func(Progress)
	bytes int64
}

// move moves one origin's events.
func (run *applying) move(from, to Side, m *Move, toLocal bool) error {
	if m.Mode == Impossible {
		return fmt.Errorf("move %v: %w", m, fault.ErrGone)
	}
	for at := to.Vector().Get(m.Origin); at < m.Last; {
		entries, err := next(from, m, at)
		if err != nil {
			return fmt.Errorf("move %v, behind %d: %w", m, at, err)
		}
		for _, entry := range entries {
			if err := to.Take(entry); err != nil {
				return fmt.Errorf("move %v, behind %d: %w", m, at, err)
			}
			run.bytes += int64(len(entry))
		}
		now := to.Vector().Get(m.Origin)
		if now <= at {
			return fmt.Errorf("move %v, behind %d: what was taken isn't there: %w", m, at, fault.ErrGap)
		}
		at = now
		if run.show != nil {
			run.show(Progress{m.Origin, toLocal, uint64(min(at, m.Last) - min(m.After, at)), m.Events(), run.bytes})
		}
	}
	return nil
}

// next returns what follows a number: as planned, or the other way if that isn't there any more.
func next(from Side, m *Move, after id.Seq) ([][]byte, error) {
	batches := func() ([][]byte, error) {
		list, err := from.Read(m.Origin, after, chunk)
		if err == nil && len(list) == 0 {
			err = fault.ErrGone
		}
		return list, err
	}
	ranges := func() ([][]byte, error) {
		entry, err := from.Range(m.Origin, after, RangeBytes)
		return [][]byte{entry}, err
	}
	first, second := batches, ranges
	if m.Mode == Ranges {
		first, second = ranges, batches
	}
	list, err := first()
	if errors.Is(err, fault.ErrGone) {
		var err2 error
		if list, err2 = second(); err2 != nil {
			return nil, errors.Join(err, err2)
		}
		return list, nil
	}
	return list, err
}
