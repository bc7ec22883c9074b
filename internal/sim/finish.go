package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/engine"
)

// finish ends the clients' work: faults stop, what is open is answered, and the database is closed.
func (w *world) finish() {
	w.closing = true
	w.disk.Calm()
	w.disk.Interrupt(0)
	w.keeper.faulty = false
	w.trouble.slowUntil = 0
	w.skew = w.trouble.ahead // nobody has to wait for a clock that was set back
	w.tell("finish", 0, 0, "")
	w.await()
}

// await closes the database once everyone has an answer.
func (w *world) await() {
	w.after(50*milli, 0, func() {
		if w.waitsFor() != "" {
			w.await()
			return
		}
		w.process.close()
	})
}

// waitsFor says why the run can't end yet; empty when it can.
func (w *world) waitsFor() string {
	for _, c := range w.clients {
		for _, o := range c.open {
			if o.retried() {
				return o.String()
			}
		}
	}
	switch {
	case w.admin.now != nil:
		return w.admin.now.String()
	case !w.up():
		return "there is no process"
	case len(w.process.open) > 0:
		return "the process has requests without an answer"
	}
	return ""
}

// afterClose goes on after an orderly end; at the end of the run, with a last look.
func (w *world) afterClose() {
	if !w.closing || w.broken != nil {
		w.restart()
		return
	}
	w.start()
	if w.broken != nil || w.process == nil {
		return
	}
	w.after(200*milli, 0, w.last)
}

// last checks what a fresh process found, and in some runs what damage does.
func (w *world) last() {
	p := w.process
	if !w.up() {
		w.breaks(fmt.Errorf("the last process doesn't come up"))
		return
	}
	// The shuffle takes nothing from the run's own draws.
	if err := w.ledger.auditAfresh(p.base, rand.New(rand.NewPCG(w.story.sum, 0))); err != nil {
		w.breaks(err)
		return
	}
	w.report.Events = len(w.ledger.events)
	err := p.base.Records(func(engine.Record) bool { w.report.Records++; return true })
	if err != nil {
		w.breaks(err)
		return
	}
	w.ended = true
	if w.rng.IntN(3) > 0 {
		return
	}
	p.leave(true)
	p.journal.Finish()
	if err := p.base.Close(); err != nil {
		w.breaks(fmt.Errorf("close: %w", err))
		return
	}
	w.gone(false)
	w.rot()
}
