package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

func (a *app) collectCommand() *cobra.Command {
	var dir, user, name string
	var off bool
	c := &cobra.Command{
		Use:   "collect --dir D --user U --collection C ITEM… [--off]",
		Short: "Put items into one of a user's collections, or take them out",
		Long: `Put items into one of a user's collections, lists with a name of their own, or take them out with --off. A
collection begins with its first item and is gone with its last. All items are written as one request, in order; the
last one stands first in the list.`,
		Example: `  tidal collect --dir D --user ada --collection later jazz-101 blues-7
  tidal collect --dir D --user ada --collection later jazz-101 --off`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&user, "user", "", "id of the user")
	c.Flags().StringVar(&name, "collection", "", "name of the collection, up to 64 bytes")
	c.Flags().BoolVar(&off, "off", false, "take the items out")
	c.RunE = func(c *cobra.Command, items []string) error {
		switch {
		case user == "":
			return usagef(c, "--user is missing: name the user")
		case name == "":
			return usagef(c, "--collection is missing: name the collection")
		}
		r := tidal.Request{}
		for _, item := range items {
			r.Records = append(r.Records, tidal.Collect{User: user, Collection: name, Item: item, Off: off})
		}
		return writeDB(c, dir, func(db *tidal.DB) error {
			receipt, err := db.Write(c.Context(), r)
			if err != nil {
				return err
			}
			return a.answer(writtenResult{receipt.Position.String()}, func(w io.Writer) {
				fmt.Fprintf(w, "Written at %s.\n", receipt.Position)
			})
		})
	}
	return c
}

// collectionsResult is what collections prints with --json.
type collectionsResult struct {
	User        string             `json:"user"`
	Collections []collectionResult `json:"collections"`
}

type collectionResult struct {
	Name  string `json:"name"`
	Items int    `json:"items"`
}

// collectedResult is what it prints of a single one.
type collectedResult struct {
	User       string       `json:"user"`
	Collection string       `json:"collection"`
	Items      []itemResult `json:"items"`
	// Next is what --after of the next page is; empty behind the last one.
	Next string `json:"next"`
}

type itemResult struct {
	Item  string `json:"item"`
	Added string `json:"added"`
}

func (a *app) collectionsCommand() *cobra.Command {
	var dir string
	q := tidal.CollectionQuery{}
	c := &cobra.Command{
		Use:   "collections --dir D --user U [--collection C] [--after ID] [--limit 100]",
		Short: "Print a user's collections, or what is in one of them",
		Long: `Print the names of a user's collections and how many items each has; or, page by page, the items of one, the one
that was put there last first. Items that were deleted are among them, though no query serves these.`,
		Example: `  tidal collections --dir D --user ada
  tidal collections --dir D --user ada --collection later --limit 20 --after jazz-101 --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&q.User, "user", "", "id of the user")
	c.Flags().StringVar(&q.Name, "collection", "", "the one to print the items of")
	c.Flags().StringVar(&q.After, "after", "", "id of the item behind which the page begins")
	c.Flags().IntVar(&q.Limit, "limit", 100, "length of the page, 1 to 10,000")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case q.User == "":
			return usagef(c, "--user is missing: name the user")
		case q.Limit < 1 || q.Limit > 10_000:
			return usagef(c, "--limit %d: want 1 to 10000", q.Limit)
		case q.Name == "" && (q.After != "" || c.Flags().Changed("limit")):
			return usagef(c, "--after and --limit go with --collection")
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			if q.Name == "" {
				return a.printCollections(c.Context(), db, q.User)
			}
			return a.printCollection(c.Context(), db, &q)
		})
	}
	return c
}

func (a *app) printCollections(ctx context.Context, db *tidal.DB, user string) error {
	all, err := db.Collections(ctx, user)
	if err != nil {
		return err
	}
	r := collectionsResult{User: user, Collections: []collectionResult{}}
	for _, x := range all {
		r.Collections = append(r.Collections, collectionResult{x.Name, x.Items})
	}
	return a.answer(r, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "There are none.")
			return
		}
		var lines [][]string
		for _, x := range all {
			lines = append(lines, []string{printable(x.Name), thousands(x.Items)})
		}
		table(w, []string{"collection", ">items"}, lines)
	})
}

func (a *app) printCollection(ctx context.Context, db *tidal.DB, q *tidal.CollectionQuery) error {
	page, err := db.Collection(ctx, *q)
	if err != nil {
		return err
	}
	r := collectedResult{User: q.User, Collection: q.Name, Items: []itemResult{}}
	for _, x := range page {
		r.Items = append(r.Items, itemResult{x.Item, stamp(x.Added)})
	}
	if len(page) == q.Limit {
		r.Next = page[len(page)-1].Item
	}
	return a.answer(r, func(w io.Writer) {
		if len(page) == 0 {
			fmt.Fprintln(w, "There are none.")
			return
		}
		var lines [][]string
		for _, x := range r.Items {
			lines = append(lines, []string{printable(x.Item), x.Added})
		}
		table(w, []string{"item", "added"}, lines)
		if r.Next != "" {
			fmt.Fprintf(w, "\nMore: --after %s\n", printable(r.Next))
		}
	})
}
