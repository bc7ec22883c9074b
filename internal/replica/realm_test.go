package replica_test

import (
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
)

// realm is several regions: a fleet each, between which batches are carried by hand. Region n is regions[n−1], of which the
// first has the schema.
type realm struct {
	tb      failer
	regions []*fleet
}

func newRealm(tb failer, regions, members int, change func(*replica.Config)) *realm {
	m := &realm{tb: tb}
	for n := range regions {
		m.regions = append(m.regions, founded(tb, members, func(c *replica.Config) {
			c.Origin = id.Origin{Region: origin.Region + id.Region(n), Shard: origin.Shard}
			if change != nil {
				change(c)
			}
		}))
	}
	return m
}

// region is the fleet of a number, from 1.
func (m *realm) region(n int) *fleet { return m.regions[n-1] }

// lead is the rig that leads a region.
func (m *realm) lead(n int) *rig {
	m.tb.Helper()
	r := m.region(n).leader()
	if r == nil {
		m.tb.Fatalf("nobody leads region %d", n)
	}
	return r
}

// ship offers a region's leader what another's replica has and it lacks.
func (m *realm) ship(from, to *rig) {
	m.tb.Helper()
	for _, data := range to.news(from) {
		to.offer(data)
	}
	to.flush()
}

// run lets everything come to an end that ends without time passing, and ships until every region has everything.
func (m *realm) settle() {
	m.tb.Helper()
	for busy := true; busy; {
		busy = false
		for n, f := range m.regions {
			f.run()
			to := m.lead(n + 1)
			for from := range m.regions {
				if from != n && len(to.news(m.lead(from+1))) > 0 {
					m.ship(m.lead(from+1), to)
					busy = true
				}
			}
			f.run()
			if len(to.wanted) > 0 {
				to.originals()
				f.run()
				busy = true
			}
		}
	}
}

// compacted is a range of what a rig has of an origin behind a number, as an entry; nil if it has nothing.
func (r *rig) compacted(o id.Origin, after id.Seq) []byte {
	r.tb.Helper()
	var list [][]byte
	for _, data := range r.shipped() {
		at, _ := placeOf(r.tb, data)
		if at.Origin() != o || at.Seq <= after {
			continue
		}
		if engine.IsRange(data) || len(list) > 0 && slices.ContainsFunc(list, func(x []byte) bool { return &x[0] == &data[0] }) {
			return nil
		}
		list = append(list, data)
	}
	if len(list) == 0 {
		return nil
	}
	c := r.engine.Compactor(hlc.Timestamp(0))
	for _, data := range list {
		if at, last := placeOf(r.tb, data); at.Seq <= after && last <= after {
			continue
		}
		if err := c.Add(data); err != nil {
			return nil // a copy that came twice
		}
	}
	x, err := c.Finish()
	r.check(err)
	return x.AppendEntry(nil)
}
