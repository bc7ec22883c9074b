package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidaldb/tidal/internal/notify"
)

// drain stops in order. Streams of writes, which would go on for ever, are told to end. Requests under way have the time of the setting; what is left then is cut off, which is an error
// that says so.
func (d *daemon) drain() error {
	// A replica hands leadership over while it still accepts, and passes on what comes.
	c := &d.config.Config
	began := time.Now()
	d.state.set(draining)
	d.metrics.Ready(false)
	d.notify(notify.Stopping, notify.Status("stopping"))
	d.o.Log.Info("stopping", "delay", c.DrainDelay, "timeout", c.DrainTimeout, "under_way", d.underWay.Load())
	if c.DrainDelay > 0 {
		// Whoever sends requests here learns from /readyz that it should stop, and needs a while for it.
		select {
		case <-d.o.After(c.DrainDelay):
		case err := <-d.served:
			d.served <- err
		}
	}
	d.handOver()
	if api, ok := d.api.(interface{ Drain() }); ok {
		api.Drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	err := d.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		left := d.underWay.Load()
		d.o.Log.Warn("requests were cut off", "requests", left, "after", c.DrainTimeout)
		return fmt.Errorf("%d requests were cut off after %s", left, c.DrainTimeout)
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop: %w", err)
	}
	d.o.Log.Info("no request is under way any more", "took", time.Since(began))
	return nil
}
