package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func (a *app) schemaCommand() *cobra.Command {
	var dir, format string
	c := &cobra.Command{
		Use:   "schema --dir D | --format movielens|csv|ndjson",
		Short: "Print a schema as YAML: a database's, or the one that import gives a new database",
		Example: `  tidal schema --format csv > shop.yaml    # begin with the built-in schema …
  tidal import --dir D --format csv --schema shop.yaml events.csv    # … and use what you made of it
  tidal schema --dir D`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of a database")
	c.Flags().StringVar(&format, "format", "", "movielens, csv or ndjson")
	c.RunE = func(c *cobra.Command, _ []string) error {
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
		if s := builtinSchema(format); s != nil {
			return s, nil
		}
		return nil, usagef(c, "--format %q: want movielens, csv or ndjson", format)
	}
	var s *schema.Schema
	err := readDB(c, dir, func(db *tidal.DB) error {
		s = db.Schema()
		return nil
	})
	return s, err
}

// builtinSchema is the schema that import gives a new database, by format; nil for an unknown format.
func builtinSchema(format string) *schema.Schema {
	switch format {
	case "movielens":
		return schema.MovieLens()
	case "csv", "ndjson":
		return schema.Events()
	default:
		return nil
	}
}

// readSchema reads a YAML file.
func readSchema(file string) (*schema.Schema, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	s, err := schema.ParseYAML(file, data)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return s, nil
}
