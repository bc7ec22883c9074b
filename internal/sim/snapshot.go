package sim

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/replica"
)

// parcel takes a piece of work on a snapshot. It's done after a while, one behind another, as by a goroutine of its own.
func (p *resident) parcel(w replica.SnapWork) {
	p.parcels = append(p.parcels, w)
	if len(p.parcels) == 1 {
		p.within(between(p.m.rng, 0, 2*milli), p.unpack)
	}
}

func (p *resident) unpack() {
	w := p.parcels[0]
	r, err := p.base.Snapshots().Do(w)
	if err != nil {
		p.fail(err)
		return
	}
	p.parcels = p.parcels[1:]
	if len(p.parcels) > 0 {
		p.within(between(p.m.rng, 0, 2*milli), p.unpack)
	}
	p.step.Snapped(r)
	p.settle()
}

// install puts a snapshot in the place of everything, once the disk is at rest.
func (p *resident) install() {
	m, f := p.m, p.m.f
	if p.step.InDisk() > 0 || p.disk.busy {
		return
	}
	p.checkpoints.stand()
	installed, err := p.step.Install(p.reset)
	if err != nil {
		p.fail(err)
		return
	}
	if !installed {
		p.settle()
		return
	}
	f.report.Snapshots++
	p.applied, p.led = p.base.Applied(), 0
	if p.line != nil {
		p.line.know()
	}
	f.tell(m, "installed", p.applied, 0, "")
	if p.applied > uint64(len(f.agreed.entries)) {
		f.breaks(fmt.Errorf("%s: a snapshot is of entry %d, the group has agreed on %d", m.name, p.applied, len(f.agreed.entries)))
		return
	}
	if err := p.sameDigest(); err != nil {
		f.breaks(err)
		return
	}
	p.settle()
}

// reset empties the log. What it held behind an entry that isn't the snapshot's wasn't agreed on.
func (p *resident) reset(index, term uint64) error {
	m := p.m
	m.mirror.synced = min(m.mirror.synced, index) // also if the power is cut in it
	if err := p.journal.Reset(index, term); err != nil {
		return err
	}
	m.mirror = mirror{before: index, synced: index}
	return nil
}
