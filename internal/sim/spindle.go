package sim

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
)

// maxStalled is how long a leader may lead whose disk answers nothing: the watchdog's patience, and two election timeouts,
// with the longest ticks there are.
const maxStalled = 6 * second

// maxInDisk bounds the appends that wait for a disk, however long it stalls: consensus has to throttle.
const maxInDisk = 4096

// persist takes an append to the disk. As in a real process the disk works in groups, on one at a time.
func (p *resident) persist(a *consensus.Append) {
	p.disk.queue = append(p.disk.queue, a)
	if len(p.disk.queue) > maxInDisk {
		p.m.f.breaks(fmt.Errorf("%s: %d appends wait for the disk", p.m.name, len(p.disk.queue)))
	}
	if !p.disk.busy {
		p.disk.busy = true
		f := p.m.f
		f.jobs.enter(f.now+between(p.m.rng, 0, 20*micro), work{kind: toWrite, of: p})
	}
}

func (p *resident) write() {
	m, f := p.m, p.m.f
	p.disk.since = f.now
	group := make([]host.Written, len(p.disk.queue))
	for i, a := range p.disk.queue {
		if err := f.agreed.keeps(m, a.Entries); err != nil {
			f.breaks(fmt.Errorf("%s: %w", m.name, err))
			return
		}
		m.mirror.begins(a.Entries)
		group[i] = p.journal.Write(a)
		if group[i].Err == nil {
			m.mirror.write(a.Entries)
		}
	}
	p.disk.queue = nil
	f.jobs.enter(f.now+m.latency(group), work{kind: toSync, of: p, group: group})
}

// latency is how long the disk takes for a group. A stalled one takes until it isn't, before or behind its sync.
func (m *machine) latency(group []host.Written) int64 {
	sync := false
	for i := range group {
		sync = sync || group[i].Sync
	}
	now := m.f.now
	switch {
	case now < m.stalled && m.rng.IntN(2) == 0:
		return m.stalled - now + m.rng.Int64N(milli)
	case !sync:
		return m.rng.Int64N(20 * micro)
	case now < m.slow:
		return between(m.rng, milli, 300*milli)
	case m.f.settings.wild:
		return between(m.rng, 200*micro, 8*milli)
	}
	return between(m.rng, 30*micro, 900*micro)
}

func (p *resident) sync(group []host.Written) {
	m, f := p.m, p.m.f
	p.journal.Sync(group)
	ok := true
	for i := range group {
		ok = ok && group[i].Err == nil
		if ok && group[i].Sync {
			m.mirror.sync()
			if hs := group[i].HardState; hs != nil {
				m.voted(hs.Vote)
			}
		}
	}
	// The answer is on its way when the disk goes on.
	answer := m.rng.Int64N(30 * micro)
	if f.now < m.stalled {
		answer += m.stalled - f.now
	}
	f.jobs.enter(f.now+answer, work{kind: toAnswerDisk, of: p, group: group})
}

// answered gives a group back. In a stall nothing is begun before the last group was answered, as with a real disk.
func (p *resident) answered(group []host.Written) {
	if len(p.disk.queue) > 0 {
		p.write()
	} else {
		p.disk.busy = false
		p.journal.Mark()
	}
	if err := p.step.Persisted(group); err != nil {
		p.fail(err)
		return
	}
	p.settle()
}
