package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// profileResult is what profiles prints of one profile with --json.
type profileResult struct {
	Name     string   `json:"name"`
	Version  uint32   `json:"version"`
	From     string   `json:"from"` // "built-in" or "schema"
	YAML     string   `json:"yaml"`
	Features []string `json:"features"`
	Warnings []string `json:"warnings"`
}

// profileLine is what profiles prints of each profile of a list.
type profileLine struct {
	Name    string `json:"name"`
	Version uint32 `json:"version"`
	From    string `json:"from"`
	Newest  bool   `json:"newest"` // the version that a query without one means
}

func (a *app) profilesCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "profiles --dir D [NAME]",
		Short: "List the ways to rank, or print one as YAML",
		Long: `List the ways to rank that queries can name: those that every database has, and those of its schema.

With a name, which may have a version as in hot@1, it prints that profile as a schema would have it, the features that it
needs of each item, and what it reckons with that the schema doesn't have.`,
		Example: `  tidal profiles --dir D
  tidal profiles --dir D for_you
  tidal profiles --dir D hot@1 --json`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.RunE = func(c *cobra.Command, args []string) error {
		name, version := "", uint32(0)
		if len(args) > 0 {
			var err error
			if name, version, err = profileName(args[0]); err != nil {
				return usagef(c, "%v", err)
			}
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			if name == "" {
				return a.listProfiles(db)
			}
			return a.showProfile(db, name, version)
		})
	}
	return c
}

func (a *app) listProfiles(db *tidal.DB) error {
	s := db.Schema()
	lines := []profileLine{}
	for _, p := range db.Profiles() {
		// Both are there of a version that the schema has, too; the schema's own is what queries get.
		found, err := rank.Lookup(s, p.Name, p.Version)
		if err != nil {
			return err
		}
		line := profileLine{Name: p.Name, Version: p.Version, From: originOf(s, &found)}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for i := range lines {
		newest, err := rank.Lookup(s, lines[i].Name, 0)
		if err != nil {
			return err
		}
		lines[i].Newest = newest.Version == lines[i].Version
	}
	return a.answer(struct {
		Profiles []profileLine `json:"profiles"`
	}{lines}, func(w io.Writer) {
		rows := make([][]string, len(lines))
		for i, l := range lines {
			rows[i] = []string{l.Name, strconv.Itoa(int(l.Version)), l.From}
		}
		table(w, []string{"profile", ">version", "from"}, rows)
	})
}

// originOf says whether a profile is the schema's own.
func originOf(s *schema.Schema, p *schema.Profile) string {
	if own, ok := s.Profile(p.Name, p.Version); ok && own.Version == p.Version {
		return "schema"
	}
	return "built-in"
}

func (a *app) showProfile(db *tidal.DB, name string, version uint32) error {
	s := db.Schema()
	p, err := rank.Lookup(s, name, version)
	if err != nil {
		return err
	}
	r := &profileResult{
		Name: p.Name, Version: p.Version, From: originOf(s, &p), YAML: string(profileYAML(p)), Features: []string{},
		Warnings: []string{},
	}
	program, err := rank.Compile(p, s, rank.Params{})
	if err != nil {
		return err
	}
	for _, f := range program.Features() {
		r.Features = append(r.Features, f.String())
	}
	r.Warnings = append(r.Warnings, program.Warnings()...)
	return a.answer(r, func(w io.Writer) { r.print(w) })
}

// profileYAML prints a profile as part of a schema.
func profileYAML(p schema.Profile) []byte {
	text := (&schema.Schema{Name: "any", Profiles: []schema.Profile{p}}).YAML()
	if at := bytes.Index(text, []byte("profiles:\n")); at >= 0 {
		text = text[at:]
	}
	return text
}

func (r *profileResult) print(w io.Writer) {
	fmt.Fprintf(w, "# %s, version %d\n%s", r.From, r.Version, r.YAML)
	if len(r.Features) > 0 {
		fmt.Fprintln(w, "\n# It needs, of each item:")
		for _, f := range r.Features {
			fmt.Fprintf(w, "#   %s\n", f)
		}
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "# Warning: %s\n", text)
	}
}
