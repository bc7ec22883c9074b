package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// writeDB opens a database that is there for writing, and closes it afterwards.
func writeDB(c *cobra.Command, dir string, use func(*tidal.DB) error) (err error) {
	if err := needDirectory(c, dir); err != nil {
		return err
	}
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db)
}

// writtenResult is what a command that writes one record prints with --json.
type writtenResult struct {
	Position string `json:"position"`
}

// writeOne writes one record and says where it stands.
func (a *app) writeOne(c *cobra.Command, db *tidal.DB, rec tidal.Record) error {
	r, err := db.Write(c.Context(), tidal.Request{Records: []tidal.Record{rec}})
	if err != nil {
		return err
	}
	return a.answer(writtenResult{r.Position.String()}, func(w io.Writer) {
		fmt.Fprintf(w, "Written at %s.\n", r.Position)
	})
}

// entityFlags name an entity.
type entityFlags struct{ dir, kind, id string }

func (f *entityFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&f.kind, "kind", "item", "item, user or creator")
	c.Flags().StringVar(&f.id, "id", "", "id of the entity")
}

// check returns the kind. The id is the database's to check, but for a missing one.
func (f *entityFlags) check(c *cobra.Command) (tidal.EntityKind, error) {
	kind, err := parseKind(c, f.kind)
	if err == nil && f.id == "" {
		err = usagef(c, "--id is missing: name the %s", kind)
	}
	return kind, err
}

func parseKind(c *cobra.Command, word string) (tidal.EntityKind, error) {
	if kind, ok := kindOf(word); ok {
		return kind, nil
	}
	return 0, usagef(c, "--kind %q: want item, user or creator", word)
}

func kindOf(word string) (tidal.EntityKind, bool) {
	for _, kind := range []tidal.EntityKind{tidal.Item, tidal.User, tidal.Creator} {
		if kind.String() == word {
			return kind, true
		}
	}
	return 0, false
}
