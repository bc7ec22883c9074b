package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// entityResult is what entity, and for each line list, print with --json.
type entityResult struct {
	Kind    string       `json:"kind"`
	ID      string       `json:"id"`
	Fields  tidal.Fields `json:"fields"`
	Touched string       `json:"touched"`
}

func newEntityResult(e *tidal.Entity) entityResult {
	r := entityResult{Kind: e.Kind.String(), ID: e.ID, Fields: e.Fields, Touched: stamp(e.Touched)}
	if r.Fields == nil {
		r.Fields = tidal.Fields{} // an empty object reads better than null
	}
	return r
}

func (a *app) entityCommand() *cobra.Command {
	var f entityFlags
	c := &cobra.Command{
		Use:   "entity --dir D --kind item --id ID",
		Short: "Print the fields of an item, user or creator",
		Example: `  tidal entity --dir D --id jazz-101
  tidal entity --dir D --kind creator --id miles --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		kind, err := f.check(c)
		if err != nil {
			return err
		}
		return readDB(c, f.dir, func(db *tidal.DB) error {
			e, err := db.Entity(c.Context(), kind, f.id)
			if err != nil {
				return err
			}
			return a.answer(newEntityResult(&e), func(w io.Writer) { printEntity(w, &e) })
		})
	}
	return c
}

func printEntity(w io.Writer, e *tidal.Entity) {
	rows := [][2]string{{e.Kind.String(), printable(e.ID)}}
	if !e.Touched.IsZero() {
		rows = append(rows, [2]string{"touched", stamp(e.Touched)})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		rows = append(rows, [2]string{name, e.Fields[name].String()})
	}
	pairs(w, rows)
}

// listResult is what list prints with --json.
type listResult struct {
	Kind     string         `json:"kind"`
	Entities []entityResult `json:"entities"`
	// Next is what --after of the next page is; empty behind the last one.
	Next string `json:"next"`
}

func (a *app) listCommand() *cobra.Command {
	var dir, word string
	var all bool
	q := tidal.ListQuery{}
	c := &cobra.Command{
		Use:   "list --dir D --kind item [--after ID] [--limit 100]",
		Short: "Print items, users or creators in the order of their ids, page by page",
		Long: `Print items, users or creators that exist, in the order of their ids. Those that only have signals aren't among
them.

A page ends with what --after of the next one is. With --all it prints every page; with --json then one object a line,
which put reads.`,
		Example: `  tidal list --dir D --kind item --limit 20
  tidal list --dir D --kind item --limit 20 --after jazz-101 --json
  tidal list --dir D --kind user --all --json > users.ndjson`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&word, "kind", "item", "item, user or creator")
	c.Flags().StringVar(&q.After, "after", "", "id behind which the page begins")
	c.Flags().IntVar(&q.Limit, "limit", 100, "length of the page, 1 to 10,000")
	c.Flags().BoolVar(&all, "all", false, "every page from there on")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if q.Kind, err = parseKind(c, word); err != nil {
			return err
		}
		if q.Limit < 1 || q.Limit > 10_000 {
			return usagef(c, "--limit %d: want 1 to 10000", q.Limit)
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			if all {
				return a.listAll(c, db, q)
			}
			return a.listPage(c.Context(), db, q)
		})
	}
	return c
}

func (a *app) listPage(ctx context.Context, db *tidal.DB, q tidal.ListQuery) error {
	page, err := db.List(ctx, q)
	if err != nil {
		return err
	}
	r := listResult{Kind: q.Kind.String(), Entities: []entityResult{}}
	for i := range page {
		r.Entities = append(r.Entities, newEntityResult(&page[i]))
	}
	if len(page) == q.Limit {
		r.Next = page[len(page)-1].ID
	}
	return a.answer(r, func(w io.Writer) {
		printEntities(w, page)
		if r.Next != "" {
			fmt.Fprintf(w, "\nMore: --after %s\n", printable(r.Next))
		}
	})
}

// listAll prints every page: as tables, or with --json one object a line.
func (a *app) listAll(c *cobra.Command, db *tidal.DB, q tidal.ListQuery) error {
	q.Limit = 10_000 // a page costs a look at all ids, so there should be few
	for n := 0; ; n++ {
		if err := c.Context().Err(); err != nil {
			return err
		}
		page, err := db.List(c.Context(), q)
		if err != nil {
			return err
		}
		if err := a.printPage(page, n == 0); err != nil {
			return err
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].ID
	}
}

func (a *app) printPage(page []tidal.Entity, first bool) error {
	if !a.json {
		if len(page) == 0 && !first {
			return nil
		}
		return a.answer(nil, func(w io.Writer) { printEntities(w, page) })
	}
	for i := range page {
		if err := a.printJSON(newEntityResult(&page[i])); err != nil {
			return err
		}
	}
	return nil
}

func printEntities(w io.Writer, page []tidal.Entity) {
	if len(page) == 0 {
		fmt.Fprintln(w, "There are none.")
		return
	}
	var lines [][]string
	for i := range page {
		e := &page[i]
		fields := ""
		for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
			fields += fmt.Sprintf("%s=%s ", name, shortened(e.Fields[name].String()))
		}
		lines = append(lines, []string{printable(e.ID), stamp(e.Touched), fields})
	}
	table(w, []string{"id", "touched", "fields"}, lines)
}

// shortened cuts what would make a table unreadable.
func shortened(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
