package host_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/ship"
)

// aged are three regions that have written something, whose home has the disk again, not opened yet, that it had when so many
// regions were in its table.
func aged(t *testing.T, known int) (*seas, *shore) {
	t.Helper()
	was := pebblevfs.NewMem()
	s := foundSeas(t, 3, func(n int, home *shore) {
		if n != known {
			return
		}
		if ok, err := pebblevfs.Clone(home.opts.FS, was, home.opts.Dir, home.opts.Dir); err != nil || !ok {
			t.Fatal(ok, err)
		}
	})
	for i, x := range s.shores {
		x.mustWrite(views("ada", fmt.Sprintf("item %d", i), 1+i))
	}
	s.agree(20)
	home := s.shores[0]
	if err := home.base.Close(); err != nil {
		t.Fatal(err)
	}
	home.opts.FS = was
	return s, home
}

// renew has a region go on as a new incarnation.
func (x *shore) renew(incarnation id.Incarnation) {
	x.t.Helper()
	o := id.Origin{Region: x.number, Incarnation: incarnation}
	if err := host.RegionDir(x.opts.FS, x.opts.Dir, [16]byte{7}, o); err != nil {
		x.t.Fatal(err)
	}
}

// numbers are those of the regions in a region's table.
func (x *shore) numbers() (out []id.Region) {
	for _, r := range x.base.Engine.Regions() {
		if r.Name != "" {
			out = append(out, r.Number)
		}
	}
	return out
}

// TestHomeIsRestoredFromBeforeItHeardOfOthers: as whoever restores a backup does, it is a new incarnation, whose table has nobody,
// or not everybody. The others' subscribing suffices.
func TestHomeIsRestoredFromBeforeItHeardOfOthers(t *testing.T) {
	for _, known := range []int{1, 0, 2, 3}[:fewer(4, 1)] {
		t.Run(fmt.Sprintf("%d known", known), func(t *testing.T) {
			s, home := aged(t, known)
			home.renew(5)
			home.open()
			if n := len(home.numbers()); n != known {
				t.Fatalf("%d regions are in its table", n)
			}
			s.run(8)
			home.mustWrite(views("ada", "new", 2)) // it takes writes, whatever it knows by then
			s.agree(200)
			if got := home.numbers(); !slices.Equal(got, []id.Region{0, 1, 2}) {
				t.Errorf("its table has %v", got)
			}
			for _, x := range s.shores {
				if g := x.step.Ship().Guests(); len(g) > 0 {
					t.Errorf("region %d takes %v for guests", x.number, g)
				}
			}
		})
	}
}

// TestAnOldDiskOfHomeIsFoundOut: its end is lost, and nobody is in its table who could say so. Those who subscribe do.
func TestAnOldDiskOfHomeIsFoundOut(t *testing.T) {
	s, home := aged(t, 0)
	home.open()
	before := home.base.Engine.Vector().Get(id.Origin{})
	s.run(8)
	if r := home.write(views("ada", "new", 1)); !errors.Is(r.Err, fault.ErrForked) {
		t.Errorf("a write ends with %v", r.Err)
	}
	s.run(40) // what the others stamped comes all the same
	if v := home.base.Engine.Vector(); v.Get(id.Origin{}) != before || v.Get(id.Origin{Region: 1}) == 0 || v.Get(id.Origin{Region: 2}) == 0 {
		t.Errorf("it has %v, and began with %d of its own", v, before)
	}
	if err := home.base.Close(); err != nil {
		t.Fatal(err)
	}
	home.renew(1)
	home.open()
	s.agree(400)
	home.mustWrite(views("ada", "new", 1))
	s.agree(20)
}

// TestAnOldDiskOfHomeThatHearsNobody is a region alone, as a new database is, until it hears of the others: then it stamps no more.
func TestAnOldDiskOfHomeThatHearsNobody(t *testing.T) {
	s, home := aged(t, 0)
	s.part(0, 1, true)
	s.part(0, 2, true)
	home.open()
	s.run(4)
	home.mustWrite(views("ada", "new", 1))
	s.run(200)
	home.mustWrite(views("ada", "new", 1))
	stamped := home.base.Engine.Vector()
	s.part(0, 1, false)
	s.run(200)
	if r := home.write(views("ada", "new", 1)); !errors.Is(r.Err, fault.ErrForked) {
		t.Errorf("a write ends with %v", r.Err)
	}
	if got := home.base.Engine.Vector().Get(id.Origin{}); got != stamped.Get(id.Origin{}) {
		t.Errorf("it has %d of its own, and had %d when it heard of others", got, stamped.Get(id.Origin{}))
	}
}

// TestANumberGivenTwiceNeverMeets: home was taken back, hears nobody, and gives a number again. Who has it since before is refused
// there, and told; nothing of it is taken, nor does it get anything.
func TestANumberGivenTwiceNeverMeets(t *testing.T) {
	s, home := aged(t, 0)
	s.part(0, 2, true)
	home.renew(5)
	home.open()
	s.part(0, 1, true)
	s.run(4)
	home.mustWrite([]record.Proposed{
		{Kind: record.KindRegion, Region: record.RegionInfo{Number: 0, Name: "region-0"}},
		{Kind: record.KindRegion, Region: record.RegionInfo{Number: 1, Name: "another"}},
	})
	s.part(0, 1, false)
	s.run(200)
	if v := home.base.Engine.Vector(); v.Get(id.Origin{Region: 1}) > 0 {
		t.Errorf("home took events of it: %v", v)
	}
	if v := s.shores[1].base.Engine.Vector(); v.Get(id.Origin{Incarnation: 5}) > 0 {
		t.Errorf("it took events of home: %v", v)
	}
	told := func(x *shore, name string) bool {
		return slices.ContainsFunc(x.events, func(e ship.Event) bool { return e.Cause == ship.CauseTwice && strings.Contains(e.Text, name) })
	}
	if !told(home, "region-1") || !told(s.shores[1], "another") {
		t.Errorf("home says %+v, and it says %+v", home.events, s.shores[1].events)
	}
}
