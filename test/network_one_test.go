package test

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
)

// A server whose cable is pulled doesn't answer, and goes on where it was when it's back.
func TestOneServerOffTheNetwork(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	w := newNetwork(t, 1)
	f := started(ctx, t, fleet.Options{Nodes: 1, Hosts: w.hosts, Wrap: w.wrap, Settings: []string{"--insecure-listen"}})
	l := loaded(ctx, t, f, fleet.LoadOptions{Attempt: 500 * time.Millisecond})
	w.unplug(0)
	good(t, l.Silence(ctx, 300*time.Millisecond))
	w.plug(0)
	good(t, l.Progress(ctx, 10))
	compared(ctx, t, f, stopped(ctx, t, l))
}
