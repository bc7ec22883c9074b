package daemon

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/health"
)

// phase is how far the server has come.
type phase int32

const (
	starting phase = iota
	running
	draining
)

// state is the server's phase.
type state struct{ phase atomic.Int32 }

func (s *state) set(p phase) { s.phase.Store(int32(p)) }

func (s *state) is(p phase) bool { return s.phase.Load() == int32(p) }

// dynamic are the settings that a reload changes while requests read them.
type dynamic struct {
	accessLog                       atomic.Bool
	readyFree, readyLag, clusterLag atomic.Int64
	regionLag                       atomic.Int64 // a time.Duration
}

func (d *dynamic) set(c *config.Config) {
	d.accessLog.Store(c.AccessLog)
	d.readyFree.Store(c.ReadyFree)
	d.readyLag.Store(c.ReadyLag)
	d.clusterLag.Store(int64(c.ClusterReadyLag))
	d.regionLag.Store(int64(c.ClusterRegionReadyLag))
}

// checks are the conditions of being ready.
func (d *daemon) checks() []health.Check {
	all := d.checksAlone()
	if d.replica != nil {
		all = append(all,
			health.Check{Name: "group", Run: func() error { return d.replica.check(d.dynamic.clusterLag.Load()) }},
			health.Check{Name: "forked", Run: func() error { return d.db.Health().Forked }},
			health.Check{Name: "stranded", Run: func() error { return d.db.Health().Stranded }},
			health.Check{Name: "regions", Within: d.replica.regions.check, Run: func() error {
				if most := time.Duration(d.dynamic.regionLag.Load()); most > 0 {
					return d.replica.regions.check(most)
				}
				return nil
			}})
	}
	return all
}

func (d *daemon) checksAlone() []health.Check {
	return []health.Check{
		{Name: "running", Run: func() error {
			switch {
			case d.state.is(draining):
				return errors.New("the server is stopping")
			case d.state.is(starting):
				return errors.New("the server is starting")
			}
			return nil
		}},
		{Name: "log", Run: func() error { return d.db.Health().Failed }},
		{Name: "disk", Run: func() error {
			free, err := d.diskFree()
			if least := d.dynamic.readyFree.Load(); err == nil && free < uint64(least) {
				return fmt.Errorf("it has room for %d bytes, less than %d", free, least)
			}
			return err
		}},
		{Name: "schema", Run: func() error {
			if d.db.Schema() == nil {
				return errors.New("the database has no schema")
			}
			return nil
		}},
		{Name: "checkpoint", Run: func() error {
			if behind, most := d.db.Health().Behind, d.dynamic.readyLag.Load(); behind > most {
				return fmt.Errorf("it is %d bytes behind the log, more than %d", behind, most)
			}
			return nil
		}},
		{Name: "parked", Run: func() error {
			if n := d.db.Stats().Parked; n > 0 {
				return fmt.Errorf("%d batches wait for a schema version or a newer program", n)
			}
			return nil
		}},
		{Name: "overload", Run: func() error {
			if h := d.db.Health(); h.Degradation == "no_mixing" {
				return fmt.Errorf("%d lists are under way, and each is made with the least effort", h.Lists)
			}
			return nil
		}},
	}
}
