package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

func (a *app) schemaCommand() *cobra.Command {
	var dir, format, set string
	c := &cobra.Command{
		Use:   "schema --dir D [--set FILE] | --format F",
		Short: "Print a schema as YAML: a database's, or the one that import gives a new database; or add to it",
		Long: `Print a schema as YAML: a database's, or the one that import gives a new database.

With --set it enters what a file adds to the database's schema: signal types, fields and embeddings behind those that
are there, half-lives, windows and unique users of types that are there. Anything else is refused, and every difference
named.`,
		Example: `  tidal schema --format csv > shop.yaml    # begin with the built-in schema …
  tidal import --dir D --format csv --schema shop.yaml events.csv    # … and use what you made of it
  tidal schema --dir D
  tidal schema --dir D --set shop.yaml`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of a database")
	c.Flags().StringVar(&format, "format", "", rows.Names())
	c.Flags().StringVar(&set, "set", "", "YAML file whose additions are entered")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if set != "" {
			return a.setSchema(c, dir, format, set)
		}
		s, err := a.pickSchema(c, dir, format)
		if err != nil {
			return err
		}
		return a.answer(struct {
			Name    string `json:"name"`
			Version uint32 `json:"version"`
			Hash    string `json:"hash"`
			YAML    string `json:"yaml"`
		}{s.Name, s.Version, s.Hash().String(), string(s.YAML())}, func(w io.Writer) {
			_, _ = w.Write(s.YAML()) // into memory
		})
	}
	return c
}

func (a *app) pickSchema(c *cobra.Command, dir, format string) (*schema.Schema, error) {
	switch {
	case dir == "" && format == "":
		return nil, usagef(c, "pass --dir for a database's schema, or --format for a built-in one")
	case dir != "" && format != "":
		return nil, usagef(c, "pass --dir or --format, not both")
	case dir == "":
		f, ok := rows.Find(format)
		if !ok {
			return nil, usagef(c, "--format %q: want %s", format, rows.Names())
		}
		return f.Schema(), nil
	}
	var s *schema.Schema
	err := readDB(c, dir, func(db *tidal.DB) error {
		s = db.Schema()
		return nil
	})
	return s, err
}

// setResult is what schema --set prints with --json.
type setResult struct {
	Name    string `json:"name"`
	Before  uint32 `json:"before"`
	Version uint32 `json:"version"` // as before if the file adds nothing
	Hash    string `json:"hash"`
}

// setSchema enters the additions of a file.
func (a *app) setSchema(c *cobra.Command, dir, format, file string) error {
	if format != "" {
		return usagef(c, "--set goes with --dir, not with --format")
	}
	next, err := config.ReadSchema(file)
	if err != nil {
		return err
	}
	return writeDB(c, dir, func(db *tidal.DB) error {
		r := setResult{Name: db.Schema().Name, Before: db.Schema().Version}
		if err := db.Extend(c.Context(), next); err != nil {
			return err
		}
		r.Version, r.Hash = db.Schema().Version, db.Schema().Hash().String()
		return a.answer(r, func(w io.Writer) {
			if r.Version == r.Before {
				fmt.Fprintf(w, "%s adds nothing to schema %s, which stays at version %d.\n", file, r.Name, r.Version)
				return
			}
			fmt.Fprintf(w, "Schema %s is at version %d now.\n", r.Name, r.Version)
		})
	})
}
