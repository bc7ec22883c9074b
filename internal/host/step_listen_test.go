package host_test

import (
	"errors"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/fault"
)

// older starts a region on a copy of its directory that was made before its last events. They are shipped.
func older(t *testing.T) (*seas, *shore) {
	t.Helper()
	s := newSeas(t, 2)
	x := s.shores[1]
	x.mustWrite(views("ada", "kept", 1))
	s.agree(20)
	was := pebblevfs.NewMem()
	if ok, err := pebblevfs.Clone(x.opts.FS, was, x.opts.Dir, x.opts.Dir); err != nil || !ok {
		t.Fatal(ok, err)
	}
	x.mustWrite(views("ada", "lost", 2))
	s.agree(20)
	if err := x.base.Close(); err != nil {
		t.Fatal(err)
	}
	x.opts.FS = was
	return s, x
}

// begin opens the region's directory; a tick passes, in which the region hears of nobody.
func (s *seas) begin(x *shore) {
	x.open()
	s.now += 25_000_000
	x.step.Core.Tick(x.now())
	x.settle()
}

func TestAnOldCopyStampsNothingBeforeItHearsOfOthers(t *testing.T) {
	s, x := older(t)
	s.begin(x)
	before := x.base.Engine.Vector()
	if r := x.write(views("ada", "new", 1)); r.Ticket != 0 || !x.step.Core.Status().Listening {
		t.Fatalf("it's written at once: %+v", r)
	}
	ticket := x.tickets
	s.run(20)
	if r := x.replies[ticket]; !errors.Is(r.Err, fault.ErrForked) || !x.base.Engine.Vector().Equal(before) {
		t.Errorf("the request ends with %v, and the region has %v, not %v", r.Err, x.base.Engine.Vector(), before)
	}
}

func TestARegionThatHearsNobodyWritesAfterASecond(t *testing.T) {
	s, x := older(t)
	s.part(0, 1, true)
	s.begin(x)
	x.write(views("ada", "new", 1))
	ticket := x.tickets
	s.run(30)
	if r, ok := x.replies[ticket]; ok {
		t.Errorf("too early: %+v", r)
	}
	s.run(10)
	if r, ok := x.replies[ticket]; !ok || r.Err != nil {
		t.Errorf("after a second the request ends with %+v, %v", r, ok)
	}
}
