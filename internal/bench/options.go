package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

// Env is what a benchmark needs from its program.
type Env struct {
	// Dir is where databases are made, in a directory that is removed afterwards; "" is the system's temporary directory.
	// It should be on the disk whose syncs are to be measured.
	Dir string
	// Fresh runs [Child] with these arguments in a process of its own and returns what it printed.
	Fresh func(ctx context.Context, args ...string) ([]byte, error)
	// Program prepares a command line of the program itself, such as "import", as a process of its own.
	Program func(ctx context.Context, args ...string) (*exec.Cmd, error)
	// Say receives progress and complaints, for people.
	Say io.Writer
}

// inTemp calls f with a fresh directory, and removes it.
func (e *Env) inTemp(f func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(e.Dir, "tidal-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return f(dir)
}

func (e *Env) sayf(format string, args ...any) { fmt.Fprintf(e.Say, format+"\n", args...) }

// loadBatch is how many signals a request holds where loading isn't what is measured.
const loadBatch = 512

// load opens a new database and calls fill, which writes through the function it is given.
func load(ctx context.Context, dir string, all bool, w *workload.Workload, fill func(write writeEvents) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	db, err := tidal.Open(dir, workload.Schema(all), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l := &loader{ctx: ctx, db: db, w: w, free: make(chan []tidal.Record, loaders), failed: make(chan error, loaders)}
	if err := l.run(fill); err != nil {
		return err
	}
	return db.Checkpoint(ctx)
}

// writeEvents writes one request.
type writeEvents func([]workload.Event) error

// loaders is how many requests are under way at once, so that loading doesn't wait for each sync by itself.
const loaders = 16

type loader struct {
	ctx    context.Context
	db     *tidal.DB
	w      *workload.Workload
	free   chan []tidal.Record
	failed chan error
}

func (l *loader) run(fill func(writeEvents) error) error {
	for range loaders {
		l.free <- nil
	}
	err := fill(func(events []workload.Event) error {
		records := asRecords(l.w, events, <-l.free)
		go func() {
			_, err := l.db.Write(l.ctx, tidal.Request{Records: records})
			if err != nil {
				select {
				case l.failed <- err:
				default: // one is enough
				}
			}
			l.free <- records
		}()
		select {
		case err := <-l.failed:
			return err
		default:
			return nil
		}
	})
	for range loaders {
		<-l.free // all goroutines have ended once every slot is back
	}
	select {
	case failed := <-l.failed:
		err = errors.Join(err, failed)
	default:
	}
	return err
}

// asRecords makes a request of events, in room if it is large enough.
func asRecords(w *workload.Workload, events []workload.Event, room []tidal.Record) []tidal.Record {
	room = room[:0]
	for i := range events {
		room = append(room, asSignal(w, &events[i]))
	}
	return room
}

func asSignal(w *workload.Workload, e *workload.Event) tidal.Signal {
	return tidal.Signal{
		Type: workload.TypeName(e.Type), Item: w.Item(e.Item), User: w.User(e.User), Time: time.UnixMilli(e.Time),
		Cohorts: w.Cohorts(e.User),
	}
}
