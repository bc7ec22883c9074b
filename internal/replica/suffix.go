package replica

import (
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// suffix is what was stamped and is not applied yet: the facts that stamping must know beside the engine's. A leader
// that has just stamped a delete gives the next signal the new generation, and recognises a retry of a request that
// is still on its way to the disk.
type suffix struct {
	facts   map[factKey]fact
	journal []change // in the order of stamping
	from    int      // changes before this one are pruned; the journal is cut now and then
	// highest is at least the highest stamp of a register among the facts.
	highest hlc.Timestamp
}

// factKind says what a fact is about.
type factKind uint8

const (
	factGeneration factKind = iota + 1 // of an entity: its kind and id
	factCreator                        // of an item: the creator that a put or patch named, empty for none
	factRegister                       // of a user's mark or relation, or of an entity: its highest stamp
	factUndone                         // of a position
	factLane                           // of a lane's request
	factRequestKey                     // of an idempotency key
)

// factKey names one fact; which parts are used depends on the kind.
type factKey struct {
	kind   factKind
	entity id.Kind
	sub    byte
	number uint64
	a, b   string
}

type fact struct {
	stamp   hlc.Timestamp
	text    string
	request *waiting
	at      int // place in the journal of the change that set it
}

// change remembers what a fact was before, so that a dropped proposal leaves no trace.
type change struct {
	key    factKey
	before fact
	had    bool
	index  uint64 // of the entry; 0 until it is known
}

func newSuffix() suffix { return suffix{facts: map[factKey]fact{}} }

func (s *suffix) len() int { return s.from + len(s.journal) }

func (s *suffix) set(k factKey, f fact) {
	before, had := s.facts[k]
	f.at = s.len()
	s.journal = append(s.journal, change{key: k, before: before, had: had})
	s.facts[k] = f
}

// rollback takes the changes from place n on back, newest first.
func (s *suffix) rollback(n int) {
	for s.len() > n {
		c := s.journal[len(s.journal)-1]
		s.journal = s.journal[:len(s.journal)-1]
		if c.had && c.before.at >= s.from {
			s.facts[c.key] = c.before
		} else {
			delete(s.facts, c.key)
		}
	}
}

// name gives the changes from place n on their entry.
func (s *suffix) name(n int, index uint64) {
	for i := n - s.from; i < len(s.journal); i++ {
		s.journal[i].index = index
	}
}

// prune forgets what the engine knows by now: everything up to the entry at index.
func (s *suffix) prune(index uint64) {
	n := 0
	for n < len(s.journal) && s.journal[n].index != 0 && s.journal[n].index <= index {
		k := s.journal[n].key
		if f, ok := s.facts[k]; ok && f.at == s.from+n {
			delete(s.facts, k)
		}
		n++
	}
	s.from += n
	s.journal = s.journal[n:]
}

// request enters a stamped request, so that its retries are recognised.
func (s *suffix) request(w *waiting) {
	if k, ok := requestKey(w.Request); ok {
		s.set(k, fact{request: w})
	}
}

// find returns the stamped request that r repeats, nil if there is none.
func (s *suffix) find(r *Request) *waiting {
	k, ok := requestKey(r)
	if !ok {
		return nil
	}
	return s.facts[k].request
}

func requestKey(r *Request) (factKey, bool) {
	switch {
	case r.Producer != "":
		return factKey{kind: factLane, a: r.Producer, number: r.Number}, true
	case r.Records[0].Key != "":
		return factKey{kind: factRequestKey, a: r.Records[0].Key}, true
	}
	return factKey{}, false
}

// record enters what a stamped record makes true.
func (s *suffix) record(p *record.Proposed, m *record.Meta) {
	stamp := m.RegisterStamp()
	// A register whose stamp is that of the record is below every later one's without being looked up.
	if m.Stamp != 0 {
		s.highest = max(s.highest, stamp)
		for _, k := range registerKeys(p) {
			s.set(k, fact{stamp: stamp})
		}
	}
	switch p.Kind {
	case record.KindPut, record.KindPatch:
		if p.Entity.Kind == id.KindItem {
			s.creator(p)
		}
	case record.KindDelete:
		s.set(generationKey(p.Entity.Kind, p.Entity.ID), fact{stamp: stamp})
		if p.Entity.Kind == id.KindItem {
			s.set(creatorKey(p.Entity.ID), fact{})
		}
	case record.KindErase:
		s.set(generationKey(id.KindUser, p.Erase.User), fact{stamp: stamp})
	case record.KindCompensate, record.KindDuplicate:
		s.set(undoneKey(p.Compensation.Original), fact{stamp: stamp})
	case record.KindUndo:
		s.set(undoneKey(p.Undo.Original), fact{stamp: stamp})
	}
}
