package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/schema"
)

// putFlags are the flags of put and patch.
type putFlags struct {
	entityFlags
	fields, lane, schema string
	patch                bool
}

func (a *app) putCommand() *cobra.Command {
	return a.putOrPatch(&putFlags{}, &cobra.Command{
		Use:   "put --dir D (--kind item --id ID [--fields JSON] | FILE…)",
		Short: "Set the fields of an item, user or creator, or of many from files",
		Long: `Set the fields of an item, user or creator; fields that aren't named are gone.

With files, or standard input (-), every line is one JSON object {"kind":"item","id":"jazz-101","fields":{…}}, where
kind is that of --kind if it is missing. The lines travel in requests that are numbered under a lane, so after a
crash the same command goes on where it was, and repeated it changes nothing. The lane is the hash of the files'
content unless --lane names it. A line that is refused ends the command; what came before it stays.`,
		Example: `  tidal put --dir D --id jazz-101 --fields '{"title":"Jazz","tags":["jazz","intro"]}'
  tidal put --dir D --schema shop.yaml items.ndjson
  tidal list --dir D --kind user --all --json | tidal put --dir E --lane users -`,
	})
}

func (a *app) patchCommand() *cobra.Command {
	return a.putOrPatch(&putFlags{patch: true}, &cobra.Command{
		Use:   "patch --dir D (--kind item --id ID --fields JSON | FILE…)",
		Short: "Change fields of an item, user or creator, or of many from files",
		Long: `Change the fields that are named, and make the entity if there is none; null clears a field.

Files are as those of put.`,
		Example: `  tidal patch --dir D --id jazz-101 --fields '{"price":9.5,"url":null}'
  tidal patch --dir D prices.ndjson`,
	})
}

func (a *app) putOrPatch(f *putFlags, c *cobra.Command) *cobra.Command {
	f.add(c)
	c.Flags().StringVar(&f.fields, "fields", "", "JSON object with the fields and embeddings")
	c.Flags().StringVar(&f.lane, "lane", "",
		"name under which the requests of files are numbered (default: hash of the content)")
	c.Flags().StringVar(&f.schema, "schema", "",
		"YAML file with the schema of a new database, or with additions to that of an old one; or events, movielens (built in)")
	c.RunE = func(c *cobra.Command, files []string) error {
		kind, err := parseKind(c, f.kind)
		switch {
		case err != nil:
			return err
		case f.dir == "":
			return usagef(c, "--dir is missing: name the directory of the database")
		case (f.id == "") == (len(files) == 0):
			return usagef(c, "pass --id for one %s, or files", kind)
		case len(files) > 0 && f.fields != "":
			return usagef(c, "--fields goes with --id; the lines of files have fields of their own")
		case f.id != "" && f.lane != "":
			return usagef(c, "--lane goes with files")
		case countOf(files, "-") > 1:
			return usagef(c, "standard input (-) can be read once")
		}
		if f.lane, err = f.chooseLane(c, files); err != nil {
			return err
		}
		return f.open(c, func(db *tidal.DB) error {
			if len(files) > 0 {
				return a.putFiles(c, db, f, kind, files)
			}
			rec, err := f.record(db.Schema(), kind, f.id, []byte(f.fields))
			if err != nil {
				return err
			}
			return a.writeOne(c, db, rec)
		})
	}
	return c
}

// open opens the database. With a schema it makes one where there is none, and adds to that of one that is there: the
// same command must do for a second time.
func (f *putFlags) open(c *cobra.Command, use func(*tidal.DB) error) (err error) {
	if f.schema == "" {
		return writeDB(c, f.dir, use)
	}
	s, err := config.ReadSchema(f.schema)
	if err != nil {
		return err
	}
	db, err := tidal.Open(f.dir, s, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db)
}

// record is what one entity's JSON means.
func (f *putFlags) record(s *schema.Schema, kind tidal.EntityKind, id string, fields []byte) (tidal.Record, error) {
	read, err := readFields(s.Entity(kind), kind, fields)
	if err != nil {
		return nil, err
	}
	if f.patch {
		return tidal.Patch{Kind: kind, ID: id, Fields: read}, nil
	}
	return tidal.Put{Kind: kind, ID: id, Fields: read}, nil
}

// chooseLane names the lane of files by what is done with which content; other kinds by default are other requests.
func (f *putFlags) chooseLane(c *cobra.Command, files []string) (string, error) {
	if f.lane != "" || len(files) == 0 {
		return f.lane, nil
	}
	for _, name := range files {
		if twice, err := readTwice(name); err != nil || !twice {
			if err == nil {
				err = usagef(c, "%s can be read only once, so its content can't name the lane: pass --lane", name)
			}
			return "", err
		}
	}
	lane, _, err := contentLane(files)
	return c.Name() + "-" + f.kind + "-" + lane, err
}

// putResult is what put and patch print for files with --json.
type putResult struct {
	Written int    `json:"written"`
	Already int    `json:"already"`
	Lane    string `json:"lane"`
}

func (a *app) putFiles(c *cobra.Command, db *tidal.DB, f *putFlags, kind tidal.EntityKind, files []string) error {
	in := &entityLines{names: slices.Clone(files), stdin: a.stdin, parse: func(line []byte) (tidal.Record, error) {
		return f.line(db.Schema(), kind, line)
	}}
	written, already, err := db.Load(c.Context(), f.lane, in.records)
	if err != nil {
		fmt.Fprintf(a.stderr, "%s of these entities are in the database.\n", thousands(written+already))
		return in.placed(err)
	}
	r := putResult{written, already, f.lane}
	return a.answer(r, func(w io.Writer) {
		pairs(w, [][2]string{{"written", thousands(written)}, {"already", thousands(already)}, {"lane", f.lane}})
	})
}

// openNamed opens a file, or standard input.
func openNamed(name string, stdin io.Reader) (in io.Reader, shown string, done func() error, err error) {
	if name == "-" {
		return stdin, "stdin", func() error { return nil }, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, "", nil, fmt.Errorf("open the input: %w", err)
	}
	return file, name, file.Close, nil
}
