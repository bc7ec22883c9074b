package workload

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// Workload is what all origins stamped.
type Workload struct {
	Seed uint64
	// Schemas are the versions, oldest first. The first enters with the first batch of the first log.
	Schemas []*schema.Schema
	// Logs hold one origin each, in order of origin.
	Logs []Log
}

// Log is what one origin stamped, without gaps from sequence number 1.
type Log struct {
	Origin  id.Origin
	Batches []Batch
}

// Batch is one batch as bytes, and the same as the events that its author meant.
type Batch struct {
	Origin      id.Origin
	First, Last id.Seq
	// Schema is the version that the batch was stamped under, nil for the first of all.
	Schema *schema.Schema
	Data   []byte
	Events []Event
}

// Event is one record of a batch, before it was encoded.
type Event struct {
	Position id.Position
	// Schema is the version that the event was stamped under, nil in the first batch of all.
	Schema *schema.Schema
	Meta   record.Meta
	Body   record.Proposed
}

// Stamp is what the event's registers are written under.
func (e *Event) Stamp() hlc.Timestamp { return e.Meta.RegisterStamp() }

// Trace writes one line per event, batch by batch.
func (w *Workload) Trace(out io.Writer) error {
	for _, log := range w.Logs {
		for _, batch := range log.Batches {
			if err := record.Dump(out, batch.Data); err != nil {
				return fmt.Errorf("trace batch %v: %w", batch.Origin.At(batch.First), err)
			}
		}
	}
	return nil
}

// The regions' origins, and the second incarnation of the last one.
var origins = [...]id.Origin{{Region: 0}, {Region: 1}, {Region: 2}, {Region: 2, Incarnation: 1}}

const (
	frozen    = 2 // the origin that stops half-way
	successor = 3 // the one that goes on for it
)

// generator is one run.
type generator struct {
	rng     *rand.Rand
	schemas []*schema.Schema
	authors [len(origins)]*author
	wall    int64 // Unix milliseconds
	now     int64 // where event times are at, on a time line of their own
	step    int64 // how far they go from batch to batch
	names   names
	// shared are requests that were accepted, by lane and number, or by key.
	shared map[string][]record.Proposed
	// calm runs delete nothing, so that lists and cells fill up.
	calm bool
}

// Generate invents a workload of a few hundred events.
func Generate(seed uint64) *Workload {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x7469_6461_6c)), schemas: schemas(), wall: 1_700_000_000_000}
	g.shared = map[string][]record.Proposed{}
	g.now = []int64{0, g.wall, -80 * day}[g.rng.IntN(3)]
	g.step = []int64{0, minute, 7 * minute, hour, 5 * hour, 2 * day}[g.rng.IntN(6)]
	g.names = newNames(g.rng)
	g.calm = g.rng.IntN(2) == 0
	for i, origin := range origins {
		g.authors[i] = newAuthor(g, origin)
	}
	total := 36 + g.rng.IntN(20)
	news := total/5 + g.rng.IntN(total/2)
	g.authors[0].found()
	switch g.rng.IntN(8) {
	case 0:
		g.authors[1].pad()
	case 3:
		g.authors[0].binge(0)
		g.authors[1].binge(1)
	}
	for n := range total {
		g.wall += g.rng.Int64N(3) * g.rng.Int64N(400)
		g.now += g.step
		if n == total/2 {
			g.authors[successor].succeed(g.authors[frozen])
		}
		a := g.authors[g.author(n >= total/2)]
		if n >= news && !g.entered() {
			a.enter()
			continue
		}
		a.write(g.authors[:])
	}
	return g.finish(seed)
}

// author picks who writes next.
func (g *generator) author(late bool) int {
	a := g.rng.IntN(3)
	if late && a == frozen {
		return successor
	}
	return a
}

// entered reports whether somebody brought the second schema version.
func (g *generator) entered() bool {
	for _, a := range g.authors {
		if a.newest == len(g.schemas)-1 {
			return true
		}
	}
	return false
}

func (g *generator) finish(seed uint64) *Workload {
	w := &Workload{Seed: seed, Schemas: g.schemas}
	for _, a := range g.authors {
		if len(a.log.Batches) > 0 {
			w.Logs = append(w.Logs, a.log)
		}
	}
	return w
}

// must panics: what the generator writes is legal, and if it isn't the mistake is ours.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("workload: %v", err))
	}
}
