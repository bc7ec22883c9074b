package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// printJSON writes v as one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// answer prints v with --json, and otherwise what human writes.
func (a *app) answer(v any, human func(w io.Writer)) error {
	if a.json {
		return a.printJSON(v)
	}
	var b strings.Builder
	human(&b)
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// table writes rows in aligned columns. A column named with a leading ">" keeps to the right, as numbers do.
func table(w io.Writer, head []string, rows [][]string) {
	widths := make([]int, len(head))
	right := make([]bool, len(head))
	for i, h := range head {
		head[i], right[i] = strings.CutPrefix(h, ">")
		widths[i] = len([]rune(head[i]))
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range append([][]string{head}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i > 0 {
				line.WriteString("  ")
			}
			if right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// pairs writes name and value lines.
func pairs(w io.Writer, rows [][2]string) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\n", r[0], r[1])
	}
	_ = tw.Flush() // into memory; answer checks the write that counts
}

// printable shows an id, which may hold any bytes, on one line.
func printable(id string) string {
	for _, r := range id {
		if !strconv.IsPrint(r) || r == '\ufffd' {
			return strconv.Quote(id)
		}
	}
	return id
}

// stamp writes an instant as RFC 3339 in UTC, to the millisecond where there are milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// thousands writes n with separators.
func thousands[T ~int | ~int64 | ~uint64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// numbered writes a number with what there are so many of.
func numbered(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}

// withClamped adds how many of a number of signals were clamped, if any were.
func withClamped(signals string, clamped uint64) string {
	if clamped == 0 {
		return signals
	}
	return fmt.Sprintf("%s, %s of them with a time in the future, which was set back", signals, thousands(clamped))
}

// onTerminal reports whether w is a terminal, where progress is worth drawing.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
