package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func (a *app) sessionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "session",
		Short: "Begin, use, end and sum up sessions: an agent's or a device's writes for a user",
		Example: `  tidal session start --dir D --user ada --agent helper
  tidal session list --dir D --user ada`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		a.sessionStartCommand(), a.sessionSignalCommand(), a.sessionAnnotateCommand(), a.sessionCloseCommand(),
		a.sessionShowCommand(), a.sessionListCommand(),
	)
	return c
}

// sessionFlags name a session.
type sessionFlags struct{ dir, user, id string }

func (f *sessionFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&f.user, "user", "", "id of the user")
	c.Flags().StringVar(&f.id, "id", "", "id of the session")
}

func (f *sessionFlags) check(c *cobra.Command, needsID bool) error {
	switch {
	case f.user == "":
		return usagef(c, "--user is missing: name the user")
	case needsID && f.id == "":
		return usagef(c, "--id is missing: name the session")
	}
	return nil
}

// open returns the session for writing.
func (f *sessionFlags) open(c *cobra.Command, db *tidal.DB) (*tidal.Session, error) {
	return db.Session(c.Context(), f.user, f.id)
}

func (a *app) sessionStartCommand() *cobra.Command {
	var f sessionFlags
	var x tidal.SessionStart
	var ttl string
	c := &cobra.Command{
		Use:   "start --dir D --user U [--id S] [--agent A] [--policy P] [--ttl T]",
		Short: "Begin a session, and print its id",
		Long: `Begin a session of a user, under a policy of the schema or under none, and print its id. Beginning one again that is
open changes nothing, if agent, policy and time are the same.`,
		Example: `  tidal session start --dir D --user ada --agent helper --policy careful
  tidal session start --dir D --user ada --id evening --ttl 2h --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().Lookup("id").Usage = "id of the session, up to 64 bytes; without it one is drawn"
	c.Flags().StringVar(&x.Agent, "agent", "", "who acts in it")
	c.Flags().StringVar(&x.Policy, "policy", "", "policy of the schema that it is under")
	c.Flags().StringVar(&ttl, "ttl", "", "how long it lasts at most, such as 30m; without it as long as the policy says")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(c, false); err != nil {
			return err
		}
		if ttl != "" {
			d, err := schema.ParseDuration(ttl)
			if err != nil || d <= 0 {
				return usagef(c, "--ttl %q: want a duration such as 30m or 2h", ttl)
			}
			x.TTL = d
		}
		x.User, x.ID = f.user, f.id
		return writeDB(c, f.dir, func(db *tidal.DB) error {
			s, err := db.StartSession(c.Context(), x)
			if err != nil {
				return err
			}
			return a.sessionAnswer(c, db, f.user, s.ID())
		})
	}
	return c
}

func (a *app) sessionSignalCommand() *cobra.Command {
	var f sessionFlags
	var kind string
	var weight float64
	var seq uint64
	c := &cobra.Command{
		Use:   "signal --dir D --user U --id S --type T ITEM… [--weight W] [--seq N]",
		Short: "Write signals in a session",
		Long: `Write signals of one type in a session, as one request of it. Requests are numbered from 1; one that is sent again with
the same --seq counts once.`,
		Example: `  tidal session signal --dir D --user ada --id evening --type like jazz-101
  tidal session signal --dir D --user ada --id evening --type view --seq 2 jazz-101 jazz-7`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	f.add(c)
	c.Flags().StringVar(&kind, "type", "", "signal type")
	c.Flags().Float64Var(&weight, "weight", 1, "weight of each signal")
	c.Flags().Uint64Var(&seq, "seq", 0, "number of the request in its session; without it the next one")
	c.RunE = func(c *cobra.Command, items []string) error {
		if err := f.check(c, true); err != nil {
			return err
		}
		if kind == "" {
			return usagef(c, "--type is missing: name a signal type")
		}
		var records []tidal.Record
		for _, item := range items {
			records = append(records, tidal.Signal{Type: kind, Item: item, Weight: weight})
		}
		return a.sessionWrite(c, &f, seq, records)
	}
	return c
}

func (a *app) sessionAnnotateCommand() *cobra.Command {
	var f sessionFlags
	var seq uint64
	c := &cobra.Command{
		Use:     "annotate --dir D --user U --id S NAME TEXT [--seq N]",
		Short:   "Write a note in a session",
		Long:    `Write a note in a session: what it is about, up to 64 bytes, and a text of up to 4,096.`,
		Example: `  tidal session annotate --dir D --user ada --id evening mood 'wants something calm'`,
		Args:    usageArgs(cobra.ExactArgs(2)),
	}
	f.add(c)
	c.Flags().Uint64Var(&seq, "seq", 0, "number of the request in its session; without it the next one")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(c, true); err != nil {
			return err
		}
		return a.sessionWrite(c, &f, seq, []tidal.Record{tidal.Note{Name: args[0], Text: args[1]}})
	}
	return c
}

// sessionWrite writes a request of a session, and prints where.
func (a *app) sessionWrite(c *cobra.Command, f *sessionFlags, seq uint64, records []tidal.Record) error {
	return writeDB(c, f.dir, func(db *tidal.DB) error {
		s, err := f.open(c, db)
		if err != nil {
			return err
		}
		r, err := s.Write(c.Context(), seq, records...)
		if err != nil {
			return err
		}
		out := sessionWritten{Position: r.Position.String(), Seq: r.Number, Duplicate: r.Duplicate}
		return a.answer(out, func(w io.Writer) { out.print(w) })
	})
}

func (a *app) sessionCloseCommand() *cobra.Command {
	var f sessionFlags
	c := &cobra.Command{
		Use:     "close --dir D --user U --id S",
		Short:   "End a session, and print its summary",
		Long:    `End a session, and print its summary. Nothing can be written in it any more.`,
		Example: `  tidal session close --dir D --user ada --id evening --json`,
		Args:    usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(c, true); err != nil {
			return err
		}
		return writeDB(c, f.dir, func(db *tidal.DB) error {
			s, err := f.open(c, db)
			if err == nil {
				_, err = s.Close(c.Context())
			}
			if err != nil {
				return err
			}
			return a.sessionAnswer(c, db, f.user, f.id)
		})
	}
	return c
}

func (a *app) sessionShowCommand() *cobra.Command {
	var f sessionFlags
	c := &cobra.Command{
		Use:   "show --dir D --user U --id S",
		Short: "Print what happened in a session",
		Long: `Print what happened in a session, open or not: who acted, until when, how many signals of which type were written, and how
many requests were refused. The 64 newest sessions of a user are kept.`,
		Example: `  tidal session show --dir D --user ada --id evening`,
		Args:    usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(c, true); err != nil {
			return err
		}
		return readDB(c, f.dir, func(db *tidal.DB) error { return a.sessionAnswer(c, db, f.user, f.id) })
	}
	return c
}

func (a *app) sessionListCommand() *cobra.Command {
	var dir, user, since string
	c := &cobra.Command{
		Use:   "list --dir D --user U [--since T]",
		Short: "Print the sessions of a user, the newest first, and what they come to",
		Long: `Print the sessions of a user, the newest first, and what they come to together: signals, refusals, the most frequent types,
and how far what the user likes has moved from the beginning of the first to the end of the last (0 is not at all, 1 that the
two have nothing in common).`,
		Example: `  tidal session list --dir D --user ada
  tidal session list --dir D --user ada --since 2026-11-01T00:00:00Z --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&user, "user", "", "id of the user")
	c.Flags().StringVar(&since, "since", "", "leave out sessions begun before: RFC 3339, Unix seconds, or now-7d")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if user == "" {
			return usagef(c, "--user is missing: name the user")
		}
		var from instant
		if since != "" {
			var err error
			if from, err = parseInstant(since); err != nil {
				return usagef(c, "--since %q: %v", since, err)
			}
		}
		return readDB(c, dir, func(db *tidal.DB) error {
			at := time.Time{}
			if since != "" {
				var err error
				if at, err = a.resolveAt(db, from); err != nil {
					return err
				}
			}
			return a.sessionsAnswer(c, db, user, at)
		})
	}
	return c
}
