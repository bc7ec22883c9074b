package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tidaldb/tidal/internal/hidden"
)

// errServed is the failure of a history in which something hidden was served.
var errServed = errors.New("something hidden was served")

// listsResult is what verify --lists prints with --json.
type listsResult struct {
	Operations int             `json:"operations"`
	Lists      int             `json:"lists"`
	Shown      int             `json:"shown"` // items in lists
	Violations []listViolation `json:"violations"`
}

// listViolation is an item that was served though it was hidden. Operations are counted from 1.
type listViolation struct {
	List int    `json:"list"`
	Item string `json:"item"`
	Hide int    `json:"hide"`
}

// verifyLists checks a history of lists and hides; "-" is standard input.
func (a *app) verifyLists(name string) error {
	in := a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open the history: %w", err)
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	ops, err := hidden.Read(in)
	if err != nil {
		return fmt.Errorf("read the history %s: %w", name, err)
	}
	r := &listsResult{Operations: len(ops), Violations: []listViolation{}}
	for i := range ops {
		if ops[i].Op == hidden.List {
			r.Lists++
			r.Shown += len(ops[i].Items)
		}
	}
	for _, v := range hidden.Check(ops) {
		r.Violations = append(r.Violations, listViolation{v.List + 1, v.Item, v.Hide + 1})
		if n := len(r.Violations); n <= maxComplaints {
			fmt.Fprintf(a.stderr, "served: operation %d is a list with %s, which operation %d had hidden\n", v.List+1,
				printable(v.Item), v.Hide+1)
		}
	}
	if err := a.answer(r, func(w io.Writer) { r.print(w) }); err != nil {
		return err
	}
	if n := len(r.Violations); n > 0 {
		a.json = false // the object is printed already
		return fmt.Errorf("%s: %w", plural(n, "item"), errServed)
	}
	return nil
}

func (r *listsResult) print(w io.Writer) {
	pairs(w, [][2]string{
		{"operations", thousands(r.Operations)},
		{"lists", fmt.Sprintf("%s with %s", thousands(r.Lists), plural(r.Shown, "item"))},
		{"hidden served", thousands(len(r.Violations))},
	})
	if len(r.Violations) == 0 {
		fmt.Fprintln(w, "\nNothing that was hidden was served.")
	}
}
