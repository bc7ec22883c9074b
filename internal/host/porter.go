package host

import "github.com/tidaldb/tidal/internal/replica"

// porter is the goroutine that does a loop's work on snapshots, so that neither Raft's clock nor a write waits for a chunk.
// It takes what is given one after the other.
type porter struct {
	snapshots *Snapshots
	follow    *follower
	in        chan replica.SnapWork // closed by the loop
	out       chan ported
	ended     chan struct{}
}

// ported is work that the porter is done with.
type ported struct {
	replica.SnapResult
	// failed is the disk's failure: the replica can't go on.
	failed error
	// resume lets the checkpoint go on, which stands still because a snapshot waits to be installed; nil if it doesn't.
	resume func()
}

// porterQueue bounds what waits for the porter and what it is done with. A courier asks for a few things at a time for each
// of a few members.
const porterQueue = 64

func startPorter(b *Base, f *follower) *porter {
	p := &porter{
		snapshots: b.Snapshots(), follow: f, in: make(chan replica.SnapWork, porterQueue),
		out: make(chan ported, porterQueue), ended: make(chan struct{}),
	}
	go p.run()
	return p
}

func (p *porter) run() {
	defer close(p.ended)
	for w := range p.in {
		var d ported
		d.SnapResult, d.failed = p.snapshots.Do(w)
		if w.Kind == replica.SnapPrepare && d.failed == nil && d.Err == nil {
			// The store is one writer's, and it's about to be exchanged.
			d.resume = p.follow.pause()
		}
		p.out <- d
	}
}

// close ends the goroutine and waits for it. What it was given before is done.
func (p *porter) close() {
	if p == nil {
		return
	}
	close(p.in)
	for {
		select {
		case <-p.out:
		case <-p.ended:
			return
		}
	}
}

// ported takes back what the porter did.
func (l *loop) ported(d *ported) error {
	if d.failed != nil {
		return d.failed
	}
	if d.resume != nil {
		l.resume = d.resume
	}
	l.step.Snapped(d.SnapResult)
	return nil
}

// installing reports whether a snapshot waits to take the place of everything. Nothing new is given to the core then.
func (l *loop) installing() bool { return l.resume != nil && l.step.Received() }

// install has a snapshot take the place of everything, once nothing is on its way to the disk, and lets the checkpoint go on.
func (l *loop) install() error {
	if l.resume == nil {
		return nil
	}
	if l.step.Received() {
		if l.step.InDisk() > 0 {
			return nil
		}
		if _, err := l.step.Install(l.disk.reset); err != nil {
			return err
		}
	}
	if !l.step.Received() {
		l.resume()
		l.resume = nil
	}
	return nil
}
