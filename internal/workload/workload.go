package workload

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Dist says how items and users are drawn.
type Dist string

// The distributions.
const (
	Uniform Dist = "uniform"
	Zipf    Dist = "zipf" // exponent 1: rank k comes k times less often than rank 1
)

// Config says what to invent. It travels as JSON to the process that repeats a workload in order to check it.
type Config struct {
	Seed uint64 `json:"seed"`
	Dist Dist   `json:"dist"`
	// Items and Users are how many there are, 1 to 1,048,576 of each. Users 0 makes signals without a user.
	Items int `json:"items"`
	Users int `json:"users"`
	// Cohorts is how many cohorts each signal counts for, 0 to 2: one of 20 countries, and one of 5 ages. They are the
	// user's, so without users there are none.
	Cohorts int `json:"cohorts"`
	// Spread is how far back from the time of its request an event may lie; 0 leaves all at that time.
	Spread time.Duration `json:"spread_ns"`
}

// Event is one signal in numbers.
type Event struct {
	Time       int64 // Unix milliseconds
	Item, User uint32
	Type       uint8
}

// Workload holds what the connections share. It never changes and may be used from any goroutine.
type Workload struct {
	config       Config
	items, users names
	scatterItem  scatter
	scatterUser  scatter
	zipfItem     *zipf // nil draws uniformly
	zipfUser     *zipf
	typeOf       [100]uint8
	cohorts      [countries * ages][]string
}

const (
	countries = 20
	ages      = 5
)

// New prepares a workload. A Zipf workload of a million items and users takes about a third of a second and 60 MB.
func New(c Config) (*Workload, error) {
	switch {
	case c.Dist != Uniform && c.Dist != Zipf:
		return nil, fmt.Errorf("workload: distribution %q is none of %s, %s", c.Dist, Uniform, Zipf)
	case c.Items < 1 || c.Items > maxNames:
		return nil, fmt.Errorf("workload: %d items; there must be 1 to %d", c.Items, maxNames)
	case c.Users < 0 || c.Users > maxNames:
		return nil, fmt.Errorf("workload: %d users; there may be 0 to %d", c.Users, maxNames)
	case c.Cohorts < 0 || c.Cohorts > 2 || c.Cohorts > 0 && c.Users == 0:
		return nil, fmt.Errorf("workload: %d cohorts for %d users; there may be 0 to 2, of users", c.Cohorts, c.Users)
	case c.Spread < 0:
		return nil, fmt.Errorf("workload: spread %v is negative", c.Spread)
	}
	w := &Workload{
		config: c, items: newNames("item-", c.Items), users: newNames("user-", c.Users),
		scatterItem: newScatter(c.Items), scatterUser: newScatter(max(1, c.Users)),
	}
	if c.Dist == Zipf {
		w.zipfItem, w.zipfUser = newZipf(c.Items), newZipf(max(1, c.Users))
	}
	percent := 0
	for t, x := range types {
		for range x.share {
			w.typeOf[percent] = uint8(t)
			percent++
		}
	}
	for i := range w.cohorts {
		pair := []string{fmt.Sprintf("age-%d", i/countries), fmt.Sprintf("country-%02d", i%countries)}
		w.cohorts[i] = pair[:c.Cohorts]
	}
	return w, nil
}

// Config returns what the workload was made of.
func (w *Workload) Config() Config { return w.config }

// Item returns an item's id.
func (w *Workload) Item(item uint32) string { return w.items.at(item) }

// User returns a user's id, "" when there are no users.
func (w *Workload) User(user uint32) string {
	if w.config.Users == 0 {
		return ""
	}
	return w.users.at(user)
}

// Cohorts returns the cohorts of a user, in order. They must not be changed.
func (w *Workload) Cohorts(user uint32) []string { return w.cohorts[w.CohortPair(user)] }

// CohortPair numbers the combination of a user's cohorts, below 100.
func (w *Workload) CohortPair(user uint32) uint32 {
	// Mixed, so that neither cohort follows from how popular a user is.
	return user * 2_654_435_761 >> 8 % (countries * ages)
}

// Source is one connection's stream of events. It belongs to one goroutine.
type Source struct {
	w   *Workload
	rng *rand.Rand
}

// Source returns the stream of a connection from its beginning.
func (w *Workload) Source(connection int) *Source {
	return &Source{w, rand.New(rand.NewPCG(w.config.Seed, uint64(connection)))}
}

// Next fills a request with events, which lie at now (Unix milliseconds) or, with a spread, up to that before it.
func (s *Source) Next(now int64, into []Event) {
	w := s.w
	spread := uint64(w.config.Spread.Milliseconds())
	for i := range into {
		e := &into[i]
		e.Time = now
		if spread > 0 {
			e.Time -= int64(below(s.rng, spread+1))
		}
		e.Type = w.typeOf[below(s.rng, uint64(len(w.typeOf)))]
		e.Item = w.scatterItem.of(s.rank(w.zipfItem, w.config.Items))
		e.User = 0
		if w.config.Users > 0 {
			e.User = w.scatterUser.of(s.rank(w.zipfUser, w.config.Users))
		}
	}
}

func (s *Source) rank(z *zipf, n int) uint32 {
	if z == nil {
		return uint32(below(s.rng, uint64(n)))
	}
	return z.draw(s.rng)
}
