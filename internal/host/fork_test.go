package host_test

import (
	"errors"
	"fmt"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/ship"
)

// image returns a copy of a region's disk as it is at an orderly end, and opens the region again.
func (x *shore) image() pebblevfs.FS {
	x.t.Helper()
	x.close()
	image := pebblevfs.NewMem()
	if _, err := pebblevfs.Clone(x.opts.FS, image, x.opts.Dir, x.opts.Dir); err != nil {
		x.t.Fatal(err)
	}
	x.open()
	x.seas.writes(x)
	return image
}

// putBack starts a region on another disk.
func (x *shore) putBack(fs pebblevfs.FS) {
	x.t.Helper()
	x.close()
	x.opts.FS = fs
	x.open()
}

func (x *shore) close() {
	x.t.Helper()
	if err := x.base.Close(); err != nil {
		x.t.Fatal(err)
	}
}

// until runs until something holds.
func (s *seas) until(what string, holds func() bool) {
	s.t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		s.run(1)
	}
	for _, x := range s.shores {
		s.t.Logf("region %d has %v\nevents %v\nstatus %+v", x.number, x.base.Engine.Vector(), x.events, x.step.Ship().Status())
	}
	s.t.Fatalf("%s isn't so", what)
}

// writes runs until a region takes writes.
func (s *seas) writes(x *shore) {
	s.t.Helper()
	s.until("it writes", func() bool { return x.step.Core.Leading() && !x.step.Core.Status().Listening })
}

// writesAgain runs until a region writes that was just started while nobody can be reached, and writes some batches.
func (s *seas) writesAgain(x *shore, batches int) {
	s.t.Helper()
	s.writes(x)
	for i := range batches {
		x.mustWrite(views("bob", fmt.Sprintf("anew %d", i), 1+i%2))
	}
}

// differs reports whether a region knows that another one holds other events of an origin.
func (x *shore) differs(from id.Region, o id.Origin) bool {
	for _, r := range x.step.Ship().Status().Regions {
		if r.Number != from {
			continue
		}
		for _, p := range r.Forked {
			if p.Origin() == o {
				return true
			}
		}
	}
	return false
}

// refuses reports whether a region takes no writes since it has two histories.
func (x *shore) refuses() bool { return errors.Is(x.step.Core.Status().Behind, fault.ErrForked) }

// goesOn writes in a region, and waits until it is in another one.
func (s *seas) goesOn(from, to int) {
	s.t.Helper()
	a, b := s.shores[from], s.shores[to]
	a.mustWrite(views("cy", "later", 1))
	o := id.Origin{Region: a.number}
	s.until("what others write goes on", func() bool { return b.base.Engine.Vector().Get(o) == a.base.Engine.Vector().Get(o) })
}

// TestAnOldDiskOnWhichOtherEventsWereStampedIsFoundOut: a region's disk is put back while nobody is reached, and it gives numbers to other
// events that others hold for those that it lost: fewer, as many, or more of them. As soon as it meets somebody both know.
func TestAnOldDiskOnWhichOtherEventsWereStampedIsFoundOut(t *testing.T) {
	for _, anew := range []int{1, 3, 5} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d batches, the others restarted: %v", anew, restarted), func(t *testing.T) {
				s := newSeas(t, 3)
				a, o := s.shores[0], id.Origin{Region: 0}
				old := a.image()
				for i := range 2 {
					a.mustWrite(views("ada", fmt.Sprintf("lost %d", i), 2))
				}
				s.agree(400)
				held := s.shores[1].base.Engine.Vector().Get(o)
				s.part(0, 1, true)
				s.part(0, 2, true)
				a.putBack(old)
				s.writesAgain(a, anew)
				if restarted { // what they held last is in their logs alone
					for _, x := range s.shores[1:] {
						x.putBack(x.opts.FS)
					}
				}
				s.part(0, 1, false)
				s.part(0, 2, false)
				s.until("it takes no writes", a.refuses)
				if r := a.write(views("bob", "more", 1)); !errors.Is(r.Err, fault.ErrForked) {
					t.Errorf("a write ends with %v", r.Err)
				}
				if a.base.Engine.Vector().Get(o) >= held { // else that it lacks something is what it knows
					s.until("both sides know", func() bool {
						return a.differs(1, o) && a.differs(2, o) && s.shores[1].differs(0, o) && s.shores[2].differs(0, o)
					})
				}
				for _, way := range [][2]int{{1, 0}, {1, 2}, {2, 0}, {2, 1}} {
					s.goesOn(way[0], way[1])
				}
				s.run(100)
				for _, x := range s.shores[1:] {
					if got := x.base.Engine.Vector().Get(o); got != held {
						t.Errorf("region %d holds %d of its events, and held %d", x.number, got, held)
					}
				}
				s.until("the others agree", func() bool {
					return s.shores[1].base.Engine.Vector().Equal(s.shores[2].base.Engine.Vector())
				})
				if a, b := s.shores[1].base.Engine.Digest(), s.shores[2].base.Engine.Digest(); a != b {
					t.Error("the other two differ")
				}
			})
		}
	}
}

// TestWhoPassesOnASecondHistoryIsFoundOut: of three the third lacked what the first one lost, and takes what that stamps anew. It doesn't
// reach the second one through it, each pair that holds different events knows so, and the first one is told, though it is
// cut off from who holds the others.
func TestWhoPassesOnASecondHistoryIsFoundOut(t *testing.T) {
	for _, anew := range []int{2, 5} {
		t.Run(fmt.Sprintf("%d batches", anew), func(t *testing.T) {
			s := newSeas(t, 3)
			a, b, c, o := s.shores[0], s.shores[1], s.shores[2], id.Origin{Region: 0}
			old := a.image()
			s.part(0, 2, true)
			s.part(1, 2, true)
			for i := range 2 {
				a.mustWrite(views("ada", fmt.Sprintf("lost %d", i), 1))
			}
			s.until("the second holds them", func() bool {
				return b.base.Engine.Vector().Get(o) == a.base.Engine.Vector().Get(o)
			})
			held := b.base.Engine.Vector().Get(o)
			s.part(0, 1, true)
			a.putBack(old)
			s.writesAgain(a, anew)
			s.part(0, 2, false)
			s.until("the third holds the others", func() bool {
				return c.base.Engine.Vector().Get(o) == a.base.Engine.Vector().Get(o)
			})
			s.part(1, 2, false)
			s.until("the two know", func() bool { return b.differs(2, o) && c.differs(1, o) })
			s.until("it takes no writes", a.refuses)
			s.goesOn(1, 2)
			s.goesOn(2, 1)
			s.goesOn(2, 0)
			s.run(100)
			if got := b.base.Engine.Vector().Get(o); got != held {
				t.Errorf("the second one holds %d of its events, and held %d", got, held)
			}
			s.part(0, 1, false)
			s.until("the first and the second know", func() bool { return b.differs(0, o) && a.differs(1, o) })
			if a.differs(2, o) || c.differs(0, o) {
				t.Error("those who hold the same are said to differ")
			}
		})
	}
}

// TestWhatIsWrongBeginsAnewWithACopy: once the region that was put back has another's events, nobody is said to differ any more.
func TestWhatIsWrongBeginsAnewWithACopy(t *testing.T) {
	s := newSeas(t, 3)
	a, o := s.shores[0], id.Origin{Region: 0}
	old := a.image()
	for i := range 2 {
		a.mustWrite(views("ada", fmt.Sprintf("lost %d", i), 1))
	}
	s.agree(400)
	good := a.image() // what the others hold: as one of them would give it
	s.part(0, 1, true)
	s.part(0, 2, true)
	a.putBack(old)
	s.writesAgain(a, 3)
	s.part(0, 1, false)
	s.part(0, 2, false)
	s.until("both sides know", func() bool {
		return a.refuses() && s.shores[1].differs(0, o) && s.shores[2].differs(0, o)
	})
	a.putBack(good)
	s.writes(a)
	a.mustWrite(views("ada", "now", 1))
	s.agree(2000)
	for _, x := range s.shores {
		for _, r := range x.step.Ship().Status().Regions {
			if len(r.Forked) > 0 {
				t.Errorf("region %d says that region %d differs at %v", x.number, r.Number, r.Forked)
			}
		}
	}
}

// TestTheLogSaysByWhatAnOriginEnds: a batch is found by any event of it, in the log that was opened again.
func TestTheLogSaysByWhatAnOriginEnds(t *testing.T) {
	s := newSeas(t, 2)
	x, o := s.shores[0], id.Origin{Region: 0}
	x.mustWrite(views("ada", "some", 3))
	last := x.base.Engine.Vector().Get(o)
	x.putBack(x.opts.FS)
	sums := map[uint64]bool{}
	for seq := last - 2; seq <= last; seq++ {
		r := x.base.ShipWork(ship.Work{Kind: ship.WorkMarks, Marks: []ship.Mark{{Origin: o, Last: seq}}})
		if r.Err != nil || len(r.Found) != 1 || r.Found[0].First != last-2 || r.Found[0].Last != last {
			t.Fatalf("event %d is in %v, %v", seq, r.Found, r.Err)
		}
		sums[r.Found[0].Sum] = true
	}
	if len(sums) != 1 {
		t.Errorf("one batch has sums %v", sums)
	}
	for _, m := range []ship.Mark{{Origin: o, Last: last + 1}, {Origin: id.Origin{Region: 9}, Last: 1}} {
		if r := x.base.ShipWork(ship.Work{Kind: ship.WorkMarks, Marks: []ship.Mark{m}}); len(r.Found) > 0 || r.Err != nil {
			t.Errorf("what isn't there is found: %v, %v", r.Found, r.Err)
		}
	}
}
