package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// cellResult is what get prints of one item with --json.
type cellResult struct {
	Item     string             `json:"item"`
	Cohort   string             `json:"cohort,omitempty"`
	Type     string             `json:"type"`
	Total    int64              `json:"total"`
	Windows  map[string]int64   `json:"windows"`
	Scores   map[string]float64 `json:"scores"`
	Velocity map[string]float64 `json:"velocity,omitempty"`
	Unique   *uint64            `json:"unique,omitempty"`
	At       string             `json:"at"`
	AsOfMark bool               `json:"as_of_mark"`
}

func (a *app) getCommand() *cobra.Command {
	var dir, item, cohort, signal, at string
	var all bool
	c := &cobra.Command{
		Use:   "get --dir D --item ID --type T [--cohort C] [--at AT]",
		Short: "Print what was counted for an item: total, windows and decayed scores",
		Long: `Print what was counted for an item under one signal type: the total, the counts of the windows, and the decayed
scores by half-life, all as of one time.

With --cohort only what that group of users sent counts. With --all it prints every item; with --json then one object a line.`,
		Example: `  tidal get --dir D --item 50 --type rating
  tidal get --dir D --item 50 --type rating --at newest+12h --json
  tidal get --dir D --item 50 --type rating --at 1998-04-23T00:00:00Z
  tidal get --dir D --item 50 --type rating --cohort us_young
  tidal get --dir D --all --type rating --at newest --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&item, "item", "", "id of the item")
	c.Flags().StringVar(&cohort, "cohort", "", "count only what this cohort sent")
	c.Flags().BoolVar(&all, "all", false, "every item instead of one")
	typeFlag(c, &signal)
	atFlag(c, &at)
	c.RunE = func(c *cobra.Command, _ []string) error {
		when, err := parseInstant(at)
		switch {
		case err != nil:
			return usagef(c, "--at: %v", err)
		case signal == "":
			return usagef(c, "--type is missing: name the signal type")
		case (item == "") == !all:
			return usagef(c, "pass --item for one item, or --all")
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			if err := checkType(db, signal); err != nil {
				return err
			}
			t, err := a.resolveAt(db, when)
			if err != nil {
				return err
			}
			if !all {
				return a.getOne(c.Context(), db, item, cohort, signal, t)
			}
			return a.getAll(c.Context(), db, cohort, signal, t)
		})
	}
	return c
}

// readCell reads a cell: of all, or of a cohort if one is named.
func readCell(ctx context.Context, db *tidal.DB, item, cohort, signal string, at time.Time) (r cellResult, err error) {
	var cell tidal.Cell
	if cohort == "" {
		cell, err = db.Cell(ctx, item, signal, at)
	} else {
		cell, err = db.CohortCell(ctx, cohort, item, signal, at)
	}
	if err != nil {
		return r, fmt.Errorf("get item %s: %w", printable(item), err)
	}
	r = newCellResult(db, item, signal, &cell)
	r.Cohort = cohort
	return r, nil
}

func (a *app) getOne(ctx context.Context, db *tidal.DB, item, cohort, signal string, at time.Time) error {
	r, err := readCell(ctx, db, item, cohort, signal, at)
	if err != nil {
		return err
	}
	return a.answer(r, func(w io.Writer) { r.print(w) })
}

// getAll prints every item's cell: as a table, or with --json as one object a line, so that it can be piped.
func (a *app) getAll(ctx context.Context, db *tidal.DB, cohort, signal string, at time.Time) error {
	var cells []cellResult
	for item, err := range db.Items(ctx) {
		if err != nil {
			return err
		}
		r, err := readCell(ctx, db, item, cohort, signal, at)
		if err != nil {
			return err
		}
		if !a.json {
			cells = append(cells, r)
		} else if err := a.printJSON(r); err != nil {
			return err
		}
	}
	if a.json {
		return nil
	}
	return a.answer(nil, func(w io.Writer) { printCells(w, cells, at) })
}

func newCellResult(db *tidal.DB, item, signal string, cell *tidal.Cell) cellResult {
	r := cellResult{
		Item: item, Type: signal, Total: cell.Total, Windows: cell.Windows, Scores: cell.Scores,
		Velocity: cell.Velocity, At: stamp(cell.At), AsOfMark: cell.AsOfMark,
	}
	// An empty object reads better than null.
	if r.Windows == nil {
		r.Windows = map[string]int64{}
	}
	if r.Scores == nil {
		r.Scores = map[string]float64{}
	}
	if _, t, ok := db.Schema().Signal(signal); ok && t.UniqueUsers {
		r.Unique = &cell.Unique
	}
	return r
}

func (r *cellResult) print(w io.Writer) {
	at := r.At
	if r.AsOfMark {
		at += " (the item's newest event, which is later than the time asked for)"
	}
	rows := [][2]string{{"item", printable(r.Item)}, {"type", r.Type}, {"at", at}, {"total", thousands(r.Total)}}
	if r.Cohort != "" {
		rows = slices.Insert(rows, 1, [2]string{"cohort", printable(r.Cohort)})
	}
	for _, name := range sortedSpans(r.Windows) {
		rows = append(rows, [2]string{"last " + name, thousands(r.Windows[name])})
	}
	for _, name := range sortedSpans(r.Velocity) {
		rows = append(rows, [2]string{"per second, " + name, number(r.Velocity[name])})
	}
	for _, name := range sortedSpans(r.Scores) {
		rows = append(rows, [2]string{"score " + name, number(r.Scores[name])})
	}
	if r.Unique != nil {
		rows = append(rows, [2]string{"users, about", thousands(*r.Unique)})
	}
	pairs(w, rows)
}

// printCells prints one row an item.
func printCells(w io.Writer, cells []cellResult, at time.Time) {
	if len(cells) == 0 {
		fmt.Fprintln(w, "The database holds no items.")
		return
	}
	windows, scores := sortedSpans(cells[0].Windows), sortedSpans(cells[0].Scores)
	head := []string{"item", ">total"}
	for _, name := range windows {
		head = append(head, ">"+name)
	}
	for _, name := range scores {
		head = append(head, ">score "+name)
	}
	var rows [][]string
	for i := range cells {
		line := []string{printable(cells[i].Item), thousands(cells[i].Total)}
		for _, name := range windows {
			line = append(line, thousands(cells[i].Windows[name]))
		}
		for _, name := range scores {
			line = append(line, number(cells[i].Scores[name]))
		}
		rows = append(rows, line)
	}
	what := cells[0].Type
	if cells[0].Cohort != "" {
		what += " of " + printable(cells[0].Cohort)
	}
	fmt.Fprintf(w, "%s at %s\n\n", what, stamp(at))
	table(w, head, rows)
}

// number prints a score for people: six significant digits.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// sortedSpans sorts names such as 1h, 24h, 7d, all and permanent by length; words come last.
func sortedSpans[V any](m map[string]V) []string {
	names := slices.Collect(maps.Keys(m))
	slices.SortFunc(names, func(x, y string) int {
		dx, errx := parseSpan(x)
		dy, erry := parseSpan(y)
		switch {
		case errx == nil && erry == nil && dx != dy:
			return int(min(max(dx-dy, -1), 1))
		case errx == nil && erry != nil:
			return -1
		case errx != nil && erry == nil:
			return 1
		}
		return strings.Compare(x, y)
	})
	return names
}
