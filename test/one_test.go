package test

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/stall"
)

// One server, to which everything happens: the picture that the tests of several are held against.
func TestOneServerKeepsItsWord(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	f := started(ctx, t, fleet.Options{Nodes: 1, Stalls: stall.Supported() == nil})
	patient := loaded(ctx, t, f, fleet.LoadOptions{})
	hasty := loaded(ctx, t, f, fleet.LoadOptions{Writers: 2, Attempt: 100 * time.Millisecond, GiveUp: 150 * time.Millisecond})
	one := f.Nodes[0]

	good(t, one.Pause())
	good(t, one.Continue())
	good(t, patient.Progress(ctx, 5))

	good(t, one.Kill())
	good(t, one.Start(ctx))
	good(t, patient.Progress(ctx, 5))

	if disk := one.Disk(); disk != nil {
		patient.Measure()
		disk.Stall()
		<-disk.Bitten()
		good(t, patient.Silence(ctx, 300*time.Millisecond))
		disk.Resume()
		good(t, patient.Progress(ctx, 5))
		t.Logf("a stalled disk: %+v", patient.Gap())
	}
	good(t, one.Stop(ctx))
	good(t, one.Start(ctx))
	good(t, patient.Progress(ctx, 5))
	compared(ctx, t, f, stopped(ctx, t, patient), stopped(ctx, t, hasty))
}
