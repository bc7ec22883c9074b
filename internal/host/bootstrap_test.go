package host_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
)

// vectorOf is what a replica has applied.
func vectorOf(r *host.Replica) (v id.VersionVector) {
	_ = r.Read(func(e *engine.Engine) error {
		v = e.Vector()
		return nil
	})
	return v
}

// TestAnEmptyRegionBeginsWithAnotherOnesState copies a database while it is written to. What the new region's first member opens
// is what the source had at some instant of the copy, it stamps under its own region from 1, and it leads a group of one.
func TestAnEmptyRegionBeginsWithAnotherOnesState(t *testing.T) {
	g := newGroup(t)
	a := g.found("a")
	fill(t, a, 1, 200)
	before := vectorOf(a)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := uint64(1); ctx.Err() == nil; n++ {
			if _, err := write0(a, views("ada", "under load", 1)); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	err := host.Begin(t.Context(), g.options("b"), 7, a, "a")
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	after := vectorOf(a)
	b := g.start("b")
	g.await("the new region leads itself", b.Leading)
	if got := vectorOf(b); !got.Includes(before) || !after.Includes(got) {
		t.Errorf("it begins with %v, and the source had %v before and %v behind", got, before, after)
	}
	if got, want := b.Origin(), (id.Origin{Region: 7}); got != want {
		t.Errorf("it stamps as %v, want %v", got, want)
	}
	receipt, err := write0(b, views("bob", "its own", 1))
	if err != nil || receipt.First != (id.Position{Region: 7, Seq: 1}) {
		t.Errorf("its first write is %v, %v", receipt.First, err)
	}
	s, err := b.Status(t.Context())
	if err != nil || len(s.Members) != 1 || s.Members[0].Number != 1 || s.Members[0].Address != "b" {
		t.Errorf("its group is %+v, %v", s, err)
	}
	g.close("b")
	digestBefore := vectorOf(a)
	b = g.start("b")
	g.await("it leads again", b.Leading)
	if !vectorOf(b).Includes(before) || !vectorOf(a).Equal(digestBefore) {
		t.Error("it lost something by being started again")
	}
}

// TestACopyForAnEmptyRegionIsTheSource compares digests with nothing written meanwhile.
func TestACopyForAnEmptyRegionIsTheSource(t *testing.T) {
	g := newGroup(t)
	a := g.found("a")
	fill(t, a, 3, 300)
	if err := host.Begin(t.Context(), g.options("b"), 1, a, "nobody", "a"); err != nil {
		t.Fatal(err)
	}
	b := g.start("b")
	if digest(b) != digest(a) || !vectorOf(b).Equal(vectorOf(a)) {
		t.Errorf("the copy is of %v, the source of %v, and the digests are equal: %v", vectorOf(b), vectorOf(a),
			digest(b) == digest(a))
	}
}

// TestWhoCannotBeginIsTold asks for the copy of another database, and of the own region.
func TestWhoCannotBeginIsTold(t *testing.T) {
	g := newGroup(t)
	a := g.found("a")
	other := newGroup(t).found("x")
	if err := host.Begin(t.Context(), g.options("b"), 1, other, "a"); !errors.Is(err, fault.ErrForeign) {
		t.Errorf("a copy of another database: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 0, a, "a"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a copy of the own region: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 1, a); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a copy of nobody: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 1, a, "a"); err != nil {
		t.Errorf("after all that: %v", err)
	}
}
