package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/internal/sim/newregion"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/wal"
)

// province is what a group of a run of regions is, beside being a group.
type province struct {
	globe  *globe
	place  int // among the run's regions
	number id.Region
	name   string
	begun  bool
	// follower says that it refuses writes.
	follower bool
	// shut says that clients are kept away: its disk was taken back to an image.
	shut bool
	// takesImage says that the next orderly end leaves an image, which is image then; nil if none was taken.
	takesImage bool
	image      *image
	back       *comeback // from an image, nil if it never was
	unsure     unsure
}

// image is what a machine's disk held once, after an orderly end, and what the group had agreed on by then.
type image struct {
	disk   *disk.Disk
	store  *store.Memory
	made   bool
	mirror mirror
	agreed agreement
	vector id.VersionVector
	// regions is how many there were in its region table.
	regions int
}

// digestOf is a digest, and who had it first.
type digestOf struct {
	who    string
	digest state.Digest
}

// begin founds the region's group: out of what home has, unless it's the first.
func (v *province) begin(f *fleet) {
	v.begun = true
	m := f.machines[0]
	m.number = 1
	m.disk.Calm()
	m.disk.Interrupt(0)
	if v.number != 0 {
		m.graft(v.globe.clerk.home)
	}
	f.after(0, m.start) // a crash in it ends what else is done with it
	for _, other := range f.machines[1:] {
		f.after(f.between(0, 400*milli), other.join)
	}
	f.operator.schedule()
}

// identify writes whose the machine's directory is: a group's of a region and an incarnation, of which it's the first member.
func (m *machine) identify() {
	f := m.f
	f.acting = m
	if err := newregion.Identify(m.disk, directory, f.who(m.number)); err != nil {
		f.breaks(fmt.Errorf("%s: write its identity: %w", m.name, err))
	}
}

// graft makes the first member's directory of what the home region's group has agreed on.
func (m *machine) graft(from *fleet) {
	f := m.f
	f.acting = m
	entries := make([]wal.Entry, 0, len(from.agreed.entries))
	for _, e := range from.agreed.entries {
		kind := wal.KindBatch
		switch e.Kind {
		case consensus.Empty:
			kind = wal.KindEmpty
		case consensus.Configuration:
			kind = wal.KindConfiguration
		}
		entries = append(entries, wal.Entry{Kind: kind, Term: e.Term, Index: e.Index, Data: e.Data})
	}
	if err := newregion.Make(m.disk, directory, f.who(m.number), entries); err != nil {
		f.breaks(fmt.Errorf("%s: make its directory: %w", m.name, err))
	}
}

func (f *fleet) who(replica uint64) newregion.Who {
	return newregion.Who{
		Cluster: f.cluster, Region: f.origin.Region, Incarnation: f.origin.Incarnation, Replica: replica,
		SegmentBytes: f.settings.segment,
	}
}

// keepImage takes an image of a machine's disk, after an orderly end, in whose table there are so many regions.
func (m *machine) keepImage(regions int) {
	f := m.f
	v := f.province
	v.takesImage = false
	v.image = &image{
		regions: regions,
		disk:    m.disk.Copy(rand.New(rand.NewPCG(0, 0))), store: m.keeper.memory.Copy(), made: m.keeper.made,
		mirror: mirror{m.mirror.before, slices.Clone(m.mirror.entries), m.mirror.synced},
		agreed: f.agreed.copy(), vector: v.globe.books.held(f),
	}
	f.tell(m, "image", uint64(len(f.agreed.entries)), 0, "")
}

// takeBack puts an image's content into the machine, which has no process.
func (m *machine) takeBack(i *image) {
	f := m.f
	m.disk = i.disk.Copy(m.rng)
	m.keeper.memory, m.keeper.made = i.store.Copy(), i.made
	m.keeper.memory.Fault = m.keeper.fault
	m.mirror = mirror{i.mirror.before, slices.Clone(i.mirror.entries), i.mirror.synced}
	m.seen = strikes{}
	f.agreed = i.agreed.copy()
	f.province.globe.books.takenBack(f, i.vector)
}

// copy returns one that goes on by itself.
func (g *agreement) copy() agreement {
	return agreement{
		f: g.f, entries: slices.Clip(g.entries), configs: slices.Clip(g.configs), leaders: maps.Clone(g.leaders),
		digests: maps.Clone(g.digests),
	}
}

// sameDigestAnywhere compares the state with what others had after the same set of events, in any region.
func (p *resident) sameDigestAnywhere(known map[string]digestOf) error {
	v := p.base.Engine.Vector()
	d, err := p.base.Digest()
	if err != nil {
		return err
	}
	key := string(v.AppendBinary(nil))
	if s := p.m.f.province.globe.books.schism; s != nil && s.sides[p.m.f] == secondHistory {
		key += "of the second history"
	}
	if had, ok := known[key]; ok && had.digest != d {
		return fmt.Errorf("%s: digest after %v is %v; %s had %v after the same events", p.m.name, v, d, had.who, had.digest)
	}
	known[key] = digestOf{p.m.name, d}
	return nil
}
