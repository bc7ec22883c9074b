package main

import (
	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/id"
)

func (a *app) undoCommand() *cobra.Command {
	var dir, position string
	var u tidal.Undo
	c := &cobra.Command{
		Use:   "undo --dir D --position P | --key K | --lane L --number N [--index I]",
		Short: "Take an event's counts and scores back, once",
		Long: `Take an event's counts and scores back, once. The event is named by its position (tidal user prints those of the
newest events), by its key, or by the lane and number of its request and its place among the request's records. Keys
and requests are known for 24 hours.`,
		Example: `  tidal undo --dir D --position 0:0:17
  tidal undo --dir D --key order-4711
  tidal undo --dir D --lane phone-7 --number 12 --index 1`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&position, "position", "", "position of the event")
	c.Flags().StringVar(&u.Key, "key", "", "key of the event")
	c.Flags().StringVar(&u.Lane, "lane", "", "lane of the event's request")
	c.Flags().Uint64Var(&u.Number, "number", 0, "number of the request in its lane")
	c.Flags().IntVar(&u.Index, "index", 0, "place of the event among the request's records, from 0")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := namesOneEvent(c, position, &u); err != nil {
			return err
		}
		return writeDB(c, dir, func(db *tidal.DB) error { return a.writeOne(c, db, u) })
	}
	return c
}

// namesOneEvent refuses flags that name no event, or name it twice.
func namesOneEvent(c *cobra.Command, position string, u *tidal.Undo) error {
	ways := 0
	for _, given := range []string{position, u.Key, u.Lane} {
		if given != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usagef(c, "name the event in one way: --position, --key, or --lane with --number")
	case (u.Lane == "") != (u.Number == 0):
		return usagef(c, "--lane and --number go together; requests are numbered from 1")
	case u.Index < 0 || u.Lane == "" && u.Index != 0:
		return usagef(c, "--index %d: want a place from 0 on, beside --lane", u.Index)
	case position == "":
		return nil
	}
	at, err := id.ParsePosition(position)
	if err != nil {
		return usagef(c, "--position %q: want one such as 0:0:17", position)
	}
	u.Position = at
	return nil
}
