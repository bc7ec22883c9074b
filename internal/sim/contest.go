package sim

// contest lets the leader restart at once, and everybody else stand for election at about the same time, half of the time
// without hearing of each other. Whom the former leader votes for is told by its disk alone if it restarts once more.
func (f *fleet) contest(x *mishap) {
	l := f.leader()
	if l == nil {
		return
	}
	f.report.Faults.Rivals++
	rng := l.rng
	l.quick = 2
	l.votes = rng.IntN(2) == 0
	l.hit(&f.report.Faults.Kill, x.n%2 == 0)
	apart := rng.IntN(2) == 0
	for _, m := range f.machines {
		if m == l {
			continue
		}
		if apart {
			f.part(m, l)
		}
		f.after(between(rng, milli, 60*milli), func() {
			if !m.up() {
				return
			}
			m.process.enter()
			if err := m.process.step.Core.Campaign(m.clock()); err != nil {
				return // it isn't a voter, or learned that it isn't
			}
			m.process.settle()
		})
	}
	f.after(second, func() { l.quick, l.votes = 0, false })
}

// part cuts a machine off from all but one, for a moment.
func (f *fleet) part(m, but *machine) {
	for _, to := range f.machines {
		if to == m || to == but {
			continue
		}
		w := f.network.wire(m.place, to.place)
		w.cut++
		f.after(200*milli, func() {
			w.cut = max(0, w.cut-1)
			f.network.pave()
		})
	}
	f.network.pave()
}

// voted is told that a hard state is durable.
func (m *machine) voted(vote uint64) {
	if !m.votes || vote == 0 || vote == m.number {
		return
	}
	m.votes = false
	p := m.process
	p.within(between(m.rng, 0, milli), func() { m.hit(&m.f.report.Faults.Kill, false) })
}
