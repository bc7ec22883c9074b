package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
)

// Probe is what opening a directory costs, measured in a process that does nothing else.
type Probe struct {
	OpenSeconds float64 `json:"open_seconds"`
	// Signals are in the state, Replayed of them from the log behind the checkpoint.
	Signals  uint64 `json:"signals"`
	Replayed uint64 `json:"replayed"`
	Cells    int    `json:"cells"`
	LogBytes int64  `json:"log_bytes"`
	// Arena is the memory of the records, Total that together with ids and indexes. RSS is the process's whole resident
	// memory once the garbage of opening was given back.
	Arena int64 `json:"arena_bytes"`
	Total int64 `json:"total_bytes"`
	RSS   int64 `json:"rss_bytes"`
}

// probe opens a database as an application would: for writing, until everything acknowledged is visible.
func probe(dir string) (p Probe, err error) {
	began := time.Now()
	r, err := host.Open(context.Background(), host.Options{Dir: dir, MustExist: true, Now: time.Now})
	if err != nil {
		return p, fmt.Errorf("open %s: %w", dir, err)
	}
	p.OpenSeconds = time.Since(began).Seconds()
	defer func() { err = errors.Join(err, r.Close()) }()
	p.LogBytes = r.LogBytes()
	err = r.Read(func(e *engine.Engine) error {
		p.Signals, p.Cells = e.Counters().Signals, e.Cells()
		p.Replayed = p.Signals - r.Loaded()
		p.Arena, p.Total = e.ArenaBytes(), e.Memory()
		return nil
	})
	debug.FreeOSMemory()
	status, readErr := os.ReadFile("/proc/self/status")
	if readErr != nil {
		return p, errors.Join(err, fmt.Errorf("the resident memory is known on Linux only: %w", readErr))
	}
	kib, parseErr := strconv.ParseInt(strings.TrimSuffix(field(string(status), "VmRSS"), " kB"), 10, 64)
	p.RSS = kib << 10
	return p, errors.Join(err, parseErr)
}
