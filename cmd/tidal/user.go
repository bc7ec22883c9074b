package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// userResult is what user prints with --json.
type userResult struct {
	User    string         `json:"user"`
	Fields  tidal.Fields   `json:"fields"`
	Touched string         `json:"touched,omitempty"`
	Recents []recentResult `json:"recents"`
	Ties    []tieResult    `json:"ties"`
	// Next is what --after of the next page of ties is; empty behind the last one.
	Next string `json:"next"`
}

type recentResult struct {
	Type     string `json:"type"`
	Item     string `json:"item"`
	Time     string `json:"time"`
	Position string `json:"position"`
	Undone   bool   `json:"undone,omitempty"`
}

type tieResult struct {
	Kind      string   `json:"kind"`
	ID        string   `json:"id"`
	Relations []string `json:"relations"`
	Marks     []string `json:"marks"`
	Seen      string   `json:"seen,omitempty"`
	// Collections are the user's that an item is in.
	Collections []string `json:"collections,omitempty"`
}

func (a *app) userCommand() *cobra.Command {
	var dir, after string
	q := tidal.UserQuery{}
	c := &cobra.Command{
		Use:   "user --dir D --user U [--after item:ID] [--limit 100]",
		Short: "Print what is known of a user: fields, newest interactions, marks, relations, collections",
		Long: `Print what is known of a user: fields, the newest interactions, and page by page what holds between the user and
items and creators (hidden, liked, saved, in progress, seen, in collections; muted, blocked, followed).`,
		Example: `  tidal user --dir D --user ada
  tidal user --dir D --user ada --limit 20 --after item:jazz-101 --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&q.ID, "user", "", "id of the user")
	c.Flags().StringVar(&after, "after", "", "item:ID or creator:ID, behind which the page begins")
	c.Flags().IntVar(&q.Limit, "limit", 100, "length of the page, 1 to 10,000")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if after != "" {
			word, id, ok := strings.Cut(after, ":")
			if q.After.Kind, _ = kindOf(word); !ok || q.After.Kind == 0 {
				return usagef(c, "--after %q: want item:ID or creator:ID", after)
			}
			q.After.ID = id
		}
		switch {
		case q.ID == "":
			return usagef(c, "--user is missing: name the user")
		case q.Limit < 1 || q.Limit > 10_000:
			return usagef(c, "--limit %d: want 1 to 10000", q.Limit)
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			state, err := db.User(c.Context(), q)
			if err != nil {
				return err
			}
			r := newUserResult(&state, q.Limit)
			return a.answer(r, func(w io.Writer) { r.print(w, &state) })
		})
	}
	return c
}

func newUserResult(s *tidal.UserState, limit int) *userResult {
	r := &userResult{User: s.ID, Fields: s.Fields, Recents: []recentResult{}, Ties: []tieResult{}}
	if r.Fields == nil {
		r.Fields = tidal.Fields{}
	}
	if !s.Touched.IsZero() {
		r.Touched = stamp(s.Touched)
	}
	for _, x := range s.Recents {
		r.Recents = append(r.Recents, recentResult{x.Type, x.Item, stamp(x.Time), x.Position.String(), x.Undone})
	}
	for i := range s.Ties {
		r.Ties = append(r.Ties, newTieResult(&s.Ties[i]))
	}
	if len(r.Ties) == limit {
		last := r.Ties[limit-1]
		r.Next = last.Kind + ":" + last.ID
	}
	return r
}

func newTieResult(t *tidal.Tie) tieResult {
	r := tieResult{
		Kind: t.Kind.String(), ID: t.ID, Relations: []string{}, Marks: []string{}, Collections: t.Collections,
	}
	for _, x := range t.Relations {
		r.Relations = append(r.Relations, x.String())
	}
	for _, m := range t.Marks {
		r.Marks = append(r.Marks, m.String())
	}
	if !t.Seen.IsZero() {
		r.Seen = stamp(t.Seen)
	}
	return r
}

func (r *userResult) print(w io.Writer, s *tidal.UserState) {
	printEntity(w, &s.Entity)
	if len(r.Recents) > 0 {
		var lines [][]string
		for _, x := range r.Recents {
			note := ""
			if x.Undone {
				note = "undone"
			}
			lines = append(lines, []string{x.Time, x.Type, printable(x.Item), x.Position, note})
		}
		fmt.Fprintln(w)
		table(w, []string{"newest", "type", "item", "position", ""}, lines)
	}
	if len(r.Ties) > 0 {
		var lines [][]string
		for _, t := range r.Ties {
			holds := slices.Concat(t.Relations, t.Marks)
			for _, name := range t.Collections {
				holds = append(holds, "in "+printable(name))
			}
			lines = append(lines, []string{t.Kind + " " + printable(t.ID), strings.Join(holds, ", "), t.Seen})
		}
		fmt.Fprintln(w)
		table(w, []string{"ties", "holds", "seen"}, lines)
	}
	if r.Next != "" {
		fmt.Fprintf(w, "\nMore: --after %s\n", printable(r.Next))
	}
}
