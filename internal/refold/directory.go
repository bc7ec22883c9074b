package refold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/schema"
)

// Options say how a directory is compared. The zero value is right for events of unknown order that fit into memory.
type Options struct {
	// Apart is how far apart the numbers of two requests are that were certainly written in their order; see [New].
	Apart uint64
	// Parts is into how many parts the owners are cut: fill is called once for each, and only the events of one part are
	// in memory at a time. 0 is 1.
	Parts int
}

// Directory opens a database for reading and compares it with all the events that fill adds. Errors are those of
// opening, of fill, and [ErrGrown]; a difference is none.
func Directory(ctx context.Context, dir string, o Options, fill func(*Fold) error) (result Result, err error) {
	r, err := host.Open(ctx, host.Options{Dir: dir, MustExist: true, ReadOnly: true, Now: time.Now})
	if err != nil {
		return Result{}, fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var now *schema.Schema
	_ = r.Read(func(e *engine.Engine) error {
		now, _ = e.Schema()
		return nil
	})
	if now == nil {
		return Result{}, fmt.Errorf("%s holds no schema", dir)
	}
	of := max(1, o.Parts)
	for n := range of {
		f := New(now, o.Apart)
		f.part = part{uint64(n), uint64(of)}
		if err := fill(f); err != nil {
			return Result{}, err
		}
		var failed error
		got, err := f.Compare(func(yield func(engine.Record) bool) { failed = r.Records(yield) })
		if err := cmp.Or(failed, err); err != nil {
			return Result{}, err
		}
		result.Add(got)
	}
	return result, nil
}
