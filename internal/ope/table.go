package ope

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
)

// table is a policy by context, as a file gives it.
type table map[string][]Choice

// anyContext is the context of the rows that hold where no other ones do.
const anyContext = "*"

// ReadPolicy reads a policy from CSV with the columns context, action and probability, in any order, named in the first
// line. Rows with the context "*" hold for all contexts that have none of their own. The probabilities of each context
// have to add up to 1, to within 1 in 1,000; they are divided by their sum.
//
// What it can't read is refused as [fault.Input], with the line.
func ReadPolicy(r io.Reader) (Policy, error) {
	rows, err := newColumns(r, "target", "context", "action", "probability")
	if err != nil {
		return nil, err
	}
	t := table{}
	seen := map[[2]string]bool{}
	for {
		cells, line, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		context, action := cells[0], cells[1]
		p, err := strconv.ParseFloat(cells[2], 64)
		switch {
		case err != nil || !(p >= 0 && p <= 1):
			return nil, fault.Refuse("target", "line %d: probability %q: want a number from 0 to 1", line, cells[2])
		case context == "" || action == "":
			return nil, fault.Refuse("target", "line %d: context or action is empty", line)
		case seen[[2]string{context, action}]:
			return nil, fault.Refuse("target", "line %d: context %q has the action %q already", line, context, action)
		}
		seen[[2]string{context, action}] = true
		t[context] = append(t[context], Choice{action, p})
	}
	return t, t.finish()
}

// finish puts each context's choices in order and makes them add up to 1.
func (t table) finish() error {
	if len(t) == 0 {
		return fault.Refuse("target", "holds no rows")
	}
	for context, choices := range t {
		sortChoices(choices)
		sum := 0.0
		for _, c := range choices {
			sum += c.Probability
		}
		if math.Abs(sum-1) > 1e-3 {
			return fault.Refuse("target", "the probabilities of context %q add up to %v, not to 1", context, sum)
		}
		for i := range choices {
			choices[i].Probability /= sum
		}
	}
	return nil
}

// Choose implements [Policy].
func (t table) Choose(_, context string, _ *Model) ([]Choice, error) {
	if choices, ok := t[context]; ok {
		return choices, nil
	}
	if choices, ok := t[anyContext]; ok {
		return choices, nil
	}
	return nil, noRow("context", context)
}

func noRow(what, name string) error {
	return fault.Refuse("target", "says nothing of the %s %q, which the log has", what, name)
}

// columns reads some columns of a CSV file by their names.
type columns struct {
	r     *csv.Reader
	field string // what a refusal names
	at    []int
	cells []string
}

func newColumns(r io.Reader, field string, names ...string) (*columns, error) {
	c := &columns{r: csv.NewReader(r), field: field, cells: make([]string, len(names))}
	c.r.ReuseRecord = true
	head, err := c.r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.Refuse(field, "is empty; want a first line with the columns %q", names)
	}
	if err != nil {
		return nil, c.refused(err)
	}
	for _, name := range names {
		at := slices.Index(head, name)
		if at < 0 {
			return nil, fault.Refuse(field, "has no column %q in its first line; want %q", name, names)
		}
		c.at = append(c.at, at)
	}
	return c, nil
}

// next returns the cells of a row in the order of the names, valid until the next call, and its line.
func (c *columns) next() (cells []string, line int, err error) {
	row, err := c.r.Read()
	if err != nil {
		return nil, 0, c.refused(err)
	}
	line, _ = c.r.FieldPos(0)
	for i, at := range c.at {
		c.cells[i] = row[at]
	}
	return c.cells, line, nil
}

// refused makes what the CSV reader says a refusal; what the stream says stays what it is.
func (c *columns) refused(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return fault.Refuse(c.field, "line %d: %v", bad.Line, bad.Err)
	}
	return err
}
