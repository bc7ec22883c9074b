package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// What a stepper does about snapshots, beside the core's work: see [replica.Courier].

// carry hands the courier what concerns it, and does what it wants done. It reports whether the core was told something.
func (s *Stepper) carry(out *replica.Output) (told bool, err error) {
	for _, w := range out.Snapshots {
		s.courier.Wanted(w.To, w.Index)
	}
	for _, p := range out.Snaps {
		s.courier.Receive(p, s.known())
	}
	if out.NeedCheckpoint {
		s.base.wantCheckpoint()
	}
	for now := s.Core.Ticks(); s.ticked < now; s.ticked++ {
		status := s.Core.Status()
		s.courier.Tick(&status.Status, s.known())
	}
	s.tellCheckpoint()
	told, err = s.errands()
	s.base.keep.Store(s.courier.Keep())
	return told, err
}

// errands does what the courier wants done, until it wants nothing more.
func (s *Stepper) errands() (told bool, err error) {
	for {
		e := s.courier.Take()
		if s.edge.Send != nil && s.fenced == nil {
			for _, p := range e.Send {
				s.edge.Send(p)
			}
		}
		for _, r := range e.Reports {
			s.Core.ReportSnapshot(s.edge.Now(), r.To, r.OK)
			told = true
		}
		if len(e.Work) == 0 {
			return told, nil
		}
		for _, w := range e.Work {
			if s.edge.Snapshot != nil {
				s.edge.Snapshot(w)
				continue
			}
			r, err := s.base.Snapshots().Do(w)
			if err != nil {
				return told, err
			}
			s.courier.Done(r)
		}
	}
}

// Snapped takes back what came of a piece of work that [Edge.Snapshot] was given; [Stepper.Settle] is called behind it.
func (s *Stepper) Snapped(r replica.SnapResult) { s.courier.Done(r) }

// known is what the log says of itself.
func (s *Stepper) known() replica.Known {
	return replica.Known{
		Commit: s.Core.Commit(),
		Has: func(index, term uint64) bool {
			got, err := s.base.Log.Term(index)
			return err == nil && got == term
		},
	}
}

// tellCheckpoint tells the core of a checkpoint that was made since.
func (s *Stepper) tellCheckpoint() {
	if at := s.base.latest.Load(); at != nil && at.Applied > s.told {
		s.told = at.Applied
		s.Core.Checkpointed(at.Applied, at.AppliedTerm, at.Members)
	}
}

// Received reports whether a snapshot waits to be installed. The driver lets the materialiser stand still then, gives the
// core nothing new until [Stepper.InDisk] is 0, and calls [Stepper.Install].
func (s *Stepper) Received() bool {
	_, _, ok := s.courier.Ready()
	return ok && s.fenced == nil
}

// Install puts the snapshot that was received in the place of the replica's whole state, and goes on with a new core. It
// reports false, and does nothing, if there is none, if something is on its way to the disk, or if the log has brought as
// much by now. Requests that wait for an answer end with fault.ErrUnknown. reset is [Journal.Reset], called where the log
// is written. After an error nothing but opening the directory again helps.
func (s *Stepper) Install(reset func(index, term uint64) error) (installed bool, err error) {
	_, at, ok := s.courier.Ready()
	if !ok || s.inDisk > 0 {
		return false, nil
	}
	if s.known().Holds(at) {
		status := s.Core.Status()
		s.courier.Tick(&status.Status, s.known()) // drops it, and tells the sender
		return false, s.Perform()
	}
	s.Core.Replace(s.edge.Now(),
		fmt.Errorf("a snapshot of entry %d takes the place of this replica's state: %w", at.Index, fault.ErrNotLeader))
	out := s.Core.Take()
	s.answer(&out)
	if err := s.base.Snapshots().install(reset); err != nil {
		return false, err
	}
	s.courier.Installed()
	if err := s.Reload(); err != nil {
		return false, err
	}
	return true, s.Perform()
}

// Reload goes on with a new core, as after a restart, on what is applied and on what the log holds behind that. Nothing may
// be on its way to the disk. Requests that wait for an answer end with fault.ErrUnknown.
func (s *Stepper) Reload() error {
	s.Stop(fmt.Errorf("the replica begins anew: %w", fault.ErrNotLeader))
	var err error
	if s.base.Restored, err = s.base.restored(); err != nil {
		return err
	}
	s.led, s.fenced, s.inDisk, s.ticked, s.told = false, nil, 0, 0, 0
	s.shipAnew()
	s.Core, err = s.newCore(s.Core)
	return err
}
