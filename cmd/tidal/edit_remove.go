package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

func (a *app) deleteCommand() *cobra.Command {
	var f entityFlags
	c := &cobra.Command{
		Use:   "delete --dir D --kind item --id ID",
		Short: "Remove an item, user or creator with everything that was counted for it",
		Long: `Remove an item, user or creator with its fields and everything that was counted for it. A later put makes it
anew, from zero. What is deleted need not exist: events that are still on their way to it then don't count either.`,
		Example: "  tidal delete --dir D --kind item --id jazz-101",
		Args:    usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		kind, err := f.check(c)
		if err != nil {
			return err
		}
		return writeDB(c, f.dir, func(db *tidal.DB) error {
			return a.writeOne(c, db, tidal.Delete{Kind: kind, ID: f.id})
		})
	}
	return c
}

// eraseResult is what erase prints with --json.
type eraseResult struct {
	User     string `json:"user"`
	Known    bool   `json:"known"`
	Position string `json:"position"`
	// Forgotten is the time by which the log holds nothing of the user any more.
	Forgotten string `json:"forgotten"`
}

func (a *app) eraseCommand() *cobra.Command {
	var dir, user string
	c := &cobra.Command{
		Use:   "erase --dir D --user U",
		Short: "Remove everything that is known of a user, and print the receipt",
		Long: `Remove everything that is known of a user: fields, interactions, marks and relations. What they contributed to
items' counts stays. The receipt says where the erasure stands in the log, and by when the log itself holds nothing of
the user any more, which is when it is older than the retention.`,
		Example: `  tidal erase --dir D --user ada
  tidal erase --dir D --user ada --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&user, "user", "", "id of the user")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if user == "" {
			return usagef(c, "--user is missing: name the user")
		}
		return writeDB(c, dir, func(db *tidal.DB) error { return a.runErase(c, db, user) })
	}
	return c
}

func (a *app) runErase(c *cobra.Command, db *tidal.DB, user string) error {
	_, err := db.User(c.Context(), tidal.UserQuery{ID: user, Limit: 1})
	if err != nil && !errors.Is(err, tidal.ErrNotFound) {
		return err
	}
	known := err == nil
	r, err := db.Write(c.Context(), tidal.Request{Records: []tidal.Record{tidal.Erase{User: user}}})
	if err != nil {
		return err
	}
	out := eraseResult{User: user, Known: known, Position: r.Position.String(), Forgotten: stamp(r.Forgotten)}
	return a.answer(out, func(w io.Writer) {
		if !known {
			fmt.Fprintln(w, "Nothing was known of this user.")
		}
		fmt.Fprintf(w, "Erased at %s.\n", out.Position)
		fmt.Fprintf(w, "The log holds nothing of them after %s.\n", out.Forgotten)
	})
}
