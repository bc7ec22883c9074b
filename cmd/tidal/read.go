package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/rows"
)

// readDB opens a database for reading, beside the process that writes it if there is one, and closes it afterwards.
func readDB(c *cobra.Command, dir string, use func(*tidal.DB) error) (err error) {
	if err := needDirectory(c, dir); err != nil {
		return err
	}
	db, err := tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db)
}

// atFlag adds --at, the time to read at.
func atFlag(c *cobra.Command, at *string) {
	c.Flags().StringVar(at, "at", "now",
		"time to read at: RFC 3339, Unix seconds, newest (the newest event), now, or one of these words with a distance, "+
			"as in newest+12h")
}

// resolveAt turns --at into a time. Times are read to the millisecond, as events are.
func (a *app) resolveAt(db *tidal.DB, i instant) (time.Time, error) {
	t, err := i.resolve(db.Stats().Newest, a.now())
	if err != nil {
		return time.Time{}, err
	}
	return floorMilli(t).UTC(), nil
}

// floorMilli drops what is finer than a millisecond, towards the past also before 1970.
func floorMilli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()) }

// typeFlag adds --type.
func typeFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "type", "", "signal type, such as like")
}

// checkType refuses a signal type that the schema doesn't have.
func checkType(db *tidal.DB, name string) error {
	if _, _, ok := db.Schema().Signal(name); ok {
		return nil
	}
	return &tidal.InputError{
		Record: -1, Field: "type",
		Reason: "unknown signal type \"" + name + "\"; the schema " + db.Schema().Name + " has " + rows.TypeNames(db.Schema()),
	}
}
