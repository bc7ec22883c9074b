package sim

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/sim/disk"
)

// ClusterFaults count what a run of a group was put through.
type ClusterFaults struct {
	Power     uint64 `json:"power_cut"`       // of one machine, between two steps
	Kill      uint64 `json:"kill"`            // of one process, between two steps; of the leader's as well
	InDisk    uint64 `json:"cut_in_disk"`     // within an operation of a disk, power or process
	Blackout  uint64 `json:"blackout"`        // power of all machines at once
	Close     uint64 `json:"orderly_close"`   //
	Rolling   uint64 `json:"rolling_restart"` // of all, one behind another
	Outage    uint64 `json:"outage"`          // seconds without a process
	FailSync  uint64 `json:"failed_sync"`     //
	FailWrite uint64 `json:"failed_write"`    //
	Full      uint64 `json:"full_disk"`       //
	SlowSync  uint64 `json:"slow_disk"`       //
	Stall     uint64 `json:"stalled_disk"`    // nothing is answered for a while
	Fenced    uint64 `json:"fenced"`          // replicas that fell silent because of that
	Store     uint64 `json:"failed_store"`    // a commit or flush of a checkpoint
	Clock     uint64 `json:"clock_jump"`      //
	Split     uint64 `json:"partition"`       // of the network, symmetric
	OneWay    uint64 `json:"one_way_cut"`     //
	Weather   uint64 `json:"loss_and_repeat"` // packets are lost, repeated and late everywhere for a while
	SlowWire  uint64 `json:"slow_link"`       //
	Transfer  uint64 `json:"transfer"`        // of leadership, for no reason
	Rivals    uint64 `json:"contested_election"`
	Replace   uint64 `json:"replaced"`       // members that were taken out while they lived
	DiskLost  uint64 `json:"disk_lost"`      // members whose directory was lost
	Rot       uint64 `json:"bit_rot"`        // one bit of what is stored
	Named     uint64 `json:"refused_named"`  // directories refused with file and offset after that
	Grown     uint64 `json:"schema_version"` // not a fault: versions that entered

	Regions RegionFaults `json:"regions,omitzero"`
}

// Add adds another run's.
func (f *ClusterFaults) Add(g ClusterFaults) {
	f.Power += g.Power
	f.Kill += g.Kill
	f.InDisk += g.InDisk
	f.Blackout += g.Blackout
	f.Close += g.Close
	f.Rolling += g.Rolling
	f.Outage += g.Outage
	f.FailSync += g.FailSync
	f.FailWrite += g.FailWrite
	f.Full += g.Full
	f.SlowSync += g.SlowSync
	f.Stall += g.Stall
	f.Fenced += g.Fenced
	f.Store += g.Store
	f.Clock += g.Clock
	f.Split += g.Split
	f.OneWay += g.OneWay
	f.Weather += g.Weather
	f.SlowWire += g.SlowWire
	f.Transfer += g.Transfer
	f.Rivals += g.Rivals
	f.Replace += g.Replace
	f.DiskLost += g.DiskLost
	f.Rot += g.Rot
	f.Named += g.Named
	f.Grown += g.Grown
	f.Regions.Add(g.Regions)
}

// strike lets a mishap of the plan happen.
func (f *fleet) strike(i int) {
	if f.closing || f.plan.without[i] {
		return
	}
	x := &f.plan.faults[i]
	f.tell(nil, "mishap", uint64(i), 0, mishapNames[x.kind])
	if mishapNames[x.kind] == f.options.taboo {
		f.breaks(fmt.Errorf("mishap %d is %s", i, f.options.taboo))
	}
	m := f.machines[x.a]
	switch x.kind {
	case powerCut, killed, cutInDisk, leaderKilled, outage, blackout:
		f.strikeMachine(x, m)
	case failSync, failWrite, fullDisk, slowDisk, stalledDisk, stalledLeader:
		f.strikeDisk(x, m)
	case split, isolated, leaderIsolated, oneWay, badWeather, slowWire:
		f.strikeNetwork(x, m)
	case clockJump:
		f.report.Faults.Clock++
		m.skew += x.time
		m.ahead = max(m.ahead, m.skew)
	case orderlyRestart:
		if m.up() {
			f.report.Faults.Close++
			m.process.close()
		}
	case rollingRestart:
		f.report.Faults.Rolling++
		f.roll(0)
	case transfer:
		if m.up() {
			f.report.Faults.Transfer++
			m.process.enter()
			m.process.step.Core.Transfer(m.clock(), f.machines[x.b].number)
			m.process.settle()
		}
	case rivals:
		f.contest(x)
	case replaced, diskLost, bitRot:
		if f.whole() {
			f.strikeMember(x, m)
		}
	}
}

// strikeMachine ends processes.
func (f *fleet) strikeMachine(x *mishap, m *machine) {
	r := &f.report.Faults
	switch x.kind {
	case powerCut:
		m.hit(&r.Power, true)
	case killed:
		m.hit(&r.Kill, false)
	case cutInDisk:
		m.arm(x.n)
	case leaderKilled:
		if l := f.leader(); l != nil {
			l.hit(&r.Kill, x.n%2 == 0)
		}
	case outage:
		r.Outage++
		m.down = f.now + x.time
		m.hit(&r.Kill, x.n%2 == 0)
	case blackout:
		r.Blackout++
		for _, m := range f.machines {
			m.hit(&r.Power, true)
		}
	}
}

// leader is a machine whose member stamps, nil if there is none.
func (f *fleet) leader() *machine {
	for _, m := range f.machines {
		if m.process != nil && m.process.led != 0 {
			return m
		}
	}
	return nil
}

// hit ends the process now, if there is one.
func (m *machine) hit(count *uint64, power bool) {
	if m.process == nil {
		return
	}
	*count++
	m.crash(power, betweenSteps)
}

// strikeDisk makes a disk fail, or wait.
func (f *fleet) strikeDisk(x *mishap, m *machine) {
	r := &f.report.Faults
	switch x.kind {
	case failSync:
		m.disk.Inject(disk.FailSync, 1+x.n%4)
	case failWrite:
		m.disk.Inject(disk.FailWrite, 1+x.n%8)
	case fullDisk:
		m.disk.Inject(disk.Full, 1)
	case slowDisk:
		r.SlowSync++
		m.slow = f.now + x.time
	case stalledLeader:
		if m = f.leader(); m == nil {
			return
		}
		fallthrough
	case stalledDisk:
		r.Stall++
		m.stalled = f.now + x.time
		m.watched()
	}
}

// watched holds a leader whose disk has stalled to what the watchdog promises: it doesn't stamp for ever.
func (m *machine) watched() {
	f, p := m.f, m.process
	if p == nil || p.led == 0 || m.stalled < f.now+maxStalled {
		return
	}
	term := p.led
	p.within(maxStalled, func() {
		alone := len(f.agreed.members().Voters()) < 2 // there is nobody to hand over to
		if p.led == term && !alone && p.disk.busy && p.disk.since+maxStalled <= f.now+second {
			f.breaks(fmt.Errorf("%s leads term %d still, its disk has answered nothing for %.1f s", m.name, term,
				float64(f.now-p.disk.since)/1e9))
		}
	})
}

// strikeNetwork cuts wires, or makes them bad, for a while.
func (f *fleet) strikeNetwork(x *mishap, m *machine) {
	n, r := &f.network, &f.report.Faults
	var touched []*wire
	switch x.kind {
	case leaderIsolated:
		if m = f.leader(); m == nil {
			return
		}
		fallthrough
	case isolated:
		r.Split++
		touched = n.across(1 << m.place)
	case split:
		r.Split++
		touched = n.across(x.n)
	case oneWay:
		r.OneWay++
		touched = []*wire{n.wire(x.a, x.b)}
	case slowWire:
		r.SlowWire++
		for _, w := range []*wire{n.wire(x.a, x.b), n.wire(x.b, x.a)} {
			w.slow = x.time / 10
			f.after(x.time, func() {
				w.slow = 0
				n.pave()
			})
		}
		n.pave()
		return
	case badWeather:
		r.Weather++
		n.weather(int(x.n)*4, x.time)
		return
	}
	for _, w := range touched {
		w.cut++
	}
	n.pave()
	f.after(x.time, func() {
		for _, w := range touched {
			w.cut = max(0, w.cut-1)
		}
		n.pave()
	})
}

// across are the wires between a set of machines and the others.
func (n *network) across(set uint64) (out []*wire) {
	for i := range n.wires {
		w := &n.wires[i]
		if set>>w.from.place&1 != set>>w.to.place&1 {
			out = append(out, w)
		}
	}
	return out
}

// weather lets packets be lost, repeated and late everywhere.
func (n *network) weather(loss int, time int64) {
	for i := range n.wires {
		w := &n.wires[i]
		w.loss, w.twice, w.slow = loss, loss/2, 60*milli
	}
	n.pave()
	n.f.after(time, func() {
		for i := range n.wires {
			w := &n.wires[i]
			w.loss, w.twice, w.slow = 0, 0, 0
		}
		n.pave()
	})
}

// roll restarts one machine behind another, each when the one before is back.
func (f *fleet) roll(place int) {
	if place == len(f.machines) || f.closing {
		return
	}
	if m := f.machines[place]; m.up() {
		f.report.Faults.Close++
		m.process.close()
	}
	f.after(between(f.machines[place].rng, 200*milli, 800*milli), func() { f.roll(place + 1) })
}
