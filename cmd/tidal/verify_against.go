package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/refold"
	"github.com/tidaldb/tidal/internal/rows"
)

// errDifferent is the failure of a comparison: the database isn't what it was compared with.
var errDifferent = errors.New("the database differs from what was written to it")

// differs fails a command whose comparison, which is printed already, found differences.
func (a *app) differs(r *refold.Result) error {
	if r == nil || r.Different == 0 {
		return nil
	}
	a.json = false // the object is printed already
	err := fmt.Errorf("%d differences: %w", r.Different, errDifferent)
	if r.Unexpected > 0 {
		err = fmt.Errorf("%w; of %d records no row is the reason, so it may hold more than these files", err, r.Unexpected)
	}
	return err
}

// compareFiles compares a database with the files that it was imported from. They are read once more, and what they
// make is computed without the database's code.
func compareFiles(ctx context.Context, f *importFlags, names []string) (*refold.Result, error) {
	identity, err := os.Stat(filepath.Join(f.dir, "IDENTITY"))
	if err != nil {
		return nil, fmt.Errorf("find out when the database was made: %w", err)
	}
	parts, err := partsFor(names)
	if err != nil {
		return nil, err
	}
	// No request is sent before all but so many ahead of it are durable.
	r, err := refold.Directory(ctx, f.dir, refold.Options{Apart: inFlight, Parts: parts}, func(fold *refold.Fold) error {
		return foldFiles(ctx, f, names, fold, identity.ModTime().Add(fold.Schema().FutureBound))
	})
	return &r, err
}

// partBytes is how much of the files is compared at a time, so that it fits into memory.
const partBytes = 512 << 20

func partsFor(names []string) (int, error) {
	size := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return 0, fmt.Errorf("open the input: %w", err)
		}
		size += info.Size()
	}
	return int(size/partBytes) + 1, nil
}

// foldFiles folds the rows of files as an import brings them in. Until known an import leaves times as they are: what
// lies behind may have been set back.
func foldFiles(ctx context.Context, f *importFlags, names []string, fold *refold.Fold, known time.Time) (err error) {
	s := fold.Schema()
	if err := f.kind.Fits(s); err != nil {
		return err
	}
	in := &files{format: f.kind, names: names}
	defer func() { err = errors.Join(err, in.close()) }()
	skip := func(*rows.Error) error { return nil }
	for number := uint64(1); ctx.Err() == nil; number++ {
		b, err := readBlock(in, number, s, skip)
		if err != nil || b.rows == 0 {
			return err
		}
		if f.items {
			for item := range b.items() {
				fold.Make(tidal.Item, item)
			}
		}
		for i := range b.good {
			if err := foldRow(fold, &b.good[i], number, known); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func foldRow(fold *refold.Fold, r *rows.Row, number uint64, known time.Time) error {
	if !everyWeightCounts(r) {
		return nil // the import skipped the whole row
	}
	for _, rec := range r.Records {
		var err error
		switch x := rec.(type) {
		case tidal.Signal:
			err = fold.Add(refold.Event{
				Type: x.Type, Item: x.Item, User: x.User, Creator: x.Creator, Cohorts: x.Cohorts, Weight: x.Weight,
				Time: x.Time.UnixMilli(), Untimed: x.Time.IsZero() || x.Time.After(known), Request: number,
			})
		case tidal.Put:
			err = fold.Put(refold.Put{Kind: x.Kind, ID: x.ID, Fields: x.Fields, Request: number})
		default:
			err = fmt.Errorf("rows of this kind (%T) can't be compared", rec)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", r.File, r.Line, err)
		}
	}
	return nil
}

// everyWeightCounts reports whether no weight of a row is so small that the database refuses the row.
func everyWeightCounts(r *rows.Row) bool {
	for _, rec := range r.Records {
		if s, ok := rec.(tidal.Signal); ok {
			if _, err := refold.WeightOf(s.Weight); err != nil {
				return false
			}
		}
	}
	return true
}

// verifyElsewhere has another process compare what was imported.
func (a *app) verifyElsewhere(ctx context.Context, f *importFlags, names []string) (*refold.Result, error) {
	args := []string{"verify", "--dir", f.dir, "--format", f.format, "--json", fmt.Sprintf("--items=%t", f.items)}
	if f.mapping != "" {
		args = append(args, "--mapping", f.mapping)
	}
	for _, name := range names {
		args = append(args, "--against", name)
	}
	child, err := a.child(ctx, args...)
	if err != nil {
		return nil, err
	}
	text, err := child.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("verify in a process of its own: %w", err)
	}
	var r verifyResult
	if json.Unmarshal(text, &r) != nil || r.Result == nil {
		return nil, fmt.Errorf("verify in a process of its own: %w: %s", err, text)
	}
	return r.Result, nil
}

// child prepares a command line of this program as a process of its own.
func (a *app) child(ctx context.Context, args ...string) (*exec.Cmd, error) {
	exe, err := a.self()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	c := exec.CommandContext(ctx, exe, args...)
	c.Stderr = a.stderr
	return c, nil
}

// compared are the lines that say what was compared.
func compared(r *refold.Result) [][2]string {
	lines := [][2]string{
		{"compared", fmt.Sprintf("%s cells with %s signals, %s records of users, %s lists of items, %s entities",
			thousands(r.Cells), thousands(r.Signals), thousands(r.UserRecords), thousands(r.ItemLists), thousands(r.Entities))},
	}
	if r.Untimed > 0 {
		lines = append(lines, [2]string{"", fmt.Sprintf("of %s signals the files don't tell the time that counted, so not "+
			"what depends on it", thousands(r.Untimed))})
	}
	return append(lines, [2]string{"different", thousands(r.Different)})
}

// tellDifferences says what differs, to people.
func (a *app) tellDifferences(r *refold.Result) {
	for _, d := range r.Differences {
		fmt.Fprintf(a.stderr, "different: %s\n", d)
	}
	if n := r.Different - len(r.Differences); n > 0 {
		fmt.Fprintf(a.stderr, "different: %s more\n", thousands(n))
	}
}

// printCompared ends a report.
func printCompared(w io.Writer, r *refold.Result) {
	if r.Different == 0 {
		fmt.Fprintln(w, "\nEverything is sound, and the database holds exactly what the files say.")
	}
}
