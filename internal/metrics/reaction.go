package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
)

// Bounds of [Reactions].
const (
	// MaxReactions is how many users are waited for at the same time, at most. Two whose hashes meet take each other's
	// place sooner than that.
	MaxReactions = 65_536
	stripes      = 64
	// patience is how long a list is waited for: who comes back later reacts to something else.
	patience = 10 * time.Minute
)

// Reactions measures how long it takes from the moment that a user's signal is accepted until the end of that user's next
// list that has it. Of several signals before that list the first counts.
//
// The table is of fixed size, 2 MiB. A user is a place in it, by a hash; whoever comes to a place that is taken takes it,
// which [Reactions.Lost] counts.
type Reactions struct {
	stripes [stripes]reactionStripe
	lost    atomic.Uint64
}

type reactionStripe struct {
	mu    sync.Mutex
	slots []reaction
}

// reaction is a signal that no list has shown yet. User 0 is nobody.
type reaction struct {
	user     uint64
	accepted time.Time
	position tidal.Position
}

// NewReactions makes an empty table.
func NewReactions() *Reactions {
	r := &Reactions{}
	for i := range r.stripes {
		r.stripes[i].slots = make([]reaction, MaxReactions/stripes)
	}
	return r
}

func (r *Reactions) place(user string) (s *reactionStripe, slot *reaction, hash uint64) {
	hash = fnv1a(user) | 1
	s = &r.stripes[(hash>>1)%stripes]
	return s, &s.slots[(hash>>7)%uint64(len(s.slots))], hash
}

// Accepted notes that a user's signal was accepted at a time, and is the event at position.
func (r *Reactions) Accepted(user string, at time.Time, position tidal.Position) {
	if user == "" {
		return
	}
	s, slot, hash := r.place(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := slot.user != 0 && at.Sub(slot.accepted) < patience
	if waiting && slot.user == hash {
		return
	}
	if waiting {
		r.lost.Add(1)
	}
	*slot = reaction{user: hash, accepted: at, position: position}
}

// Listed says that a user's list is through at a time, and holds the events of a vector. If a signal was waiting for that,
// it returns how long it took.
func (r *Reactions) Listed(user string, at time.Time, vector tidal.VersionVector) (time.Duration, bool) {
	if user == "" {
		return 0, false
	}
	s, slot, hash := r.place(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot.user != hash || !vector.Covers(slot.position) {
		return 0, false
	}
	took := at.Sub(slot.accepted)
	*slot = reaction{}
	return took, took < patience
}

// Lost is how many signals are not measured because another user took their place.
func (r *Reactions) Lost() uint64 { return r.lost.Load() }

// fnv1a is a hash without a secret and without memory: who makes users meet on purpose spoils a measurement.
func fnv1a(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h ^ h>>32
}
