package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// namedExport is what export list prints of one name with --json.
type namedExport struct {
	Name     string `json:"name"`
	Cursor   string `json:"cursor,omitempty"`
	Created  string `json:"created,omitempty"`
	Advanced string `json:"advanced,omitempty"`
	LagBytes int64  `json:"lag_bytes"`
	Oldest   string `json:"oldest,omitempty"`
	Gone     bool   `json:"gone"`
	Stale    bool   `json:"stale"`
	Damage   string `json:"damage,omitempty"`
}

type namedExports struct {
	Exports []namedExport `json:"exports"`
}

func (a *app) exportListCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "list --dir D",
		Short: "List the named exports, and how far each is behind",
		Long: `List the named exports that the log waits for: where each stands, and how much of the log lies behind that. One that
stood still for seven days is stale; one is gone if the log has lost what it needs.`,
		Example: `  tidal export list --dir D
  tidal export list --dir D --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return readDB(c, dir, func(db *tidal.DB) error {
			list, err := db.Exports(c.Context())
			if err != nil {
				return err
			}
			r := namedExports{Exports: []namedExport{}}
			for i := range list {
				r.Exports = append(r.Exports, newNamedExport(&list[i]))
			}
			return a.answer(r, r.print)
		})
	}
	return c
}

func newNamedExport(x *tidal.NamedExport) namedExport {
	if x.Err != nil {
		return namedExport{Name: x.Name, Stale: x.Stale, Damage: message(x.Err)}
	}
	out := namedExport{
		Name: x.Name, Cursor: x.Cursor, Created: stamp(x.Created), Advanced: stamp(x.Advanced), LagBytes: x.LagBytes,
		Gone: x.Gone, Stale: x.Stale,
	}
	if !x.Oldest.IsZero() {
		out.Oldest = stamp(x.Oldest)
	}
	return out
}

func (r namedExports) print(w io.Writer) {
	if len(r.Exports) == 0 {
		fmt.Fprintln(w, "There are no named exports.")
		return
	}
	var rows [][]string
	for _, x := range r.Exports {
		note := x.Damage
		switch {
		case note != "":
		case x.Gone:
			note = "the log has lost what it needs"
		case x.Stale:
			note = "stale"
		}
		rows = append(rows, []string{x.Name, x.Advanced, thousands(x.LagBytes), x.Oldest, note})
	}
	table(w, []string{"name", "advanced", ">bytes behind", "oldest of them", ""}, rows)
}

// droppedExport is what export drop prints with --json.
type droppedExport struct {
	Dropped string `json:"dropped"`
}

func (a *app) exportDropCommand() *cobra.Command {
	var dir, name string
	c := &cobra.Command{
		Use:     "drop --dir D --name N",
		Short:   "Forget a named export: the log waits for it no longer",
		Long:    "Forget a named export. The log waits for it no longer, and an export under the name begins anew.",
		Example: "  tidal export drop --dir D --name nightly",
		Args:    usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&name, "name", "", "the export's name")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if name == "" {
			return usagef(c, "--name is missing: name the export")
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			if err := db.DropExport(c.Context(), name); err != nil {
				return err
			}
			return a.answer(droppedExport{name}, func(w io.Writer) { fmt.Fprintf(w, "Export %s is forgotten.\n", name) })
		})
	}
	return c
}
