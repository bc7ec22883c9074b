package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// sessionWritten is what session signal and annotate print with --json.
type sessionWritten struct {
	Position  string `json:"position"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
}

func (x *sessionWritten) print(w io.Writer) {
	again := ""
	if x.Duplicate {
		again = ", before"
	}
	fmt.Fprintf(w, "Written at %s as number %d%s.\n", x.Position, x.Seq, again)
}

// sessionResult is what session start, close and show print with --json.
type sessionResult struct {
	ID         string      `json:"id"`
	User       string      `json:"user"`
	Agent      string      `json:"agent"`
	Policy     string      `json:"policy"`
	Opened     string      `json:"opened"`
	Until      string      `json:"until"` // empty for never, as are the next two
	Last       string      `json:"last"`
	Closed     string      `json:"closed"`
	AutoClosed bool        `json:"auto_closed"`
	DurationMS int64       `json:"duration_ms"`
	Signals    int64       `json:"signals"`
	Types      []typeCount `json:"types"`
	Others     int64       `json:"others"`
	Notes      int64       `json:"notes"`
	Searches   int64       `json:"searches"`
	Rejections int64       `json:"rejections"`
}

type typeCount struct {
	Type string `json:"type"`
	N    int64  `json:"n"`
}

// sessionsResult is what session list prints.
type sessionsResult struct {
	User       string          `json:"user"`
	Sessions   []sessionResult `json:"sessions"`
	Open       int             `json:"open"`
	Signals    int64           `json:"signals"`
	Rejections int64           `json:"rejections"`
	TopTypes   []typeCount     `json:"top_types"`
	// Drift is null if it isn't known.
	Drift *float64 `json:"drift"`
}

func sessionResultOf(x *tidal.SessionSummary) sessionResult {
	return sessionResult{
		ID: x.ID, User: x.User, Agent: x.Agent, Policy: x.Policy, Opened: stamp(x.Opened), Until: stampOrNone(x.Until),
		Last: stampOrNone(x.Last), Closed: stampOrNone(x.Closed), AutoClosed: x.AutoClosed,
		DurationMS: x.Duration.Milliseconds(), Signals: x.Signals, Types: typeCounts(x.Types), Others: x.Others,
		Notes: x.Notes, Searches: x.Searches, Rejections: x.Rejections,
	}
}

func stampOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

func typeCounts(all []tidal.TypeCount) []typeCount {
	out := make([]typeCount, len(all))
	for i, c := range all {
		out[i] = typeCount(c)
	}
	return out
}

// sessionAnswer prints the summary of a session.
func (a *app) sessionAnswer(c *cobra.Command, db *tidal.DB, user, id string) error {
	x, err := db.SessionSummary(c.Context(), user, id)
	if err != nil {
		return err
	}
	r := sessionResultOf(&x)
	return a.answer(r, func(w io.Writer) {
		rows := [][2]string{{"session", printable(r.ID)}, {"user", printable(r.User)}}
		add := func(name, value string) {
			if value != "" {
				rows = append(rows, [2]string{name, value})
			}
		}
		add("agent", printable(r.Agent))
		add("policy", r.Policy)
		add("opened", r.Opened)
		add("until", r.Until)
		add("last write", r.Last)
		closed := r.Closed
		if r.AutoClosed {
			closed += ", by itself"
		}
		add("closed", closed)
		add("duration", schema.FormatDuration(x.Duration))
		add("signals", signalsText(x.Signals, x.Types))
		for _, n := range []struct {
			name string
			n    int64
		}{{"other records", r.Others}, {"notes", r.Notes}, {"searches", r.Searches}, {"refused", r.Rejections}} {
			if n.n > 0 {
				add(n.name, thousands(n.n))
			}
		}
		pairs(w, rows)
	})
}

// signalsText is a number of signals with its parts.
func signalsText(n int64, types []tidal.TypeCount) string {
	if len(types) == 0 {
		return thousands(n)
	}
	var parts []string
	for _, t := range types {
		parts = append(parts, fmt.Sprintf("%s %s", t.Type, thousands(t.N)))
	}
	return fmt.Sprintf("%s (%s)", thousands(n), strings.Join(parts, ", "))
}

// sessionsAnswer prints the sessions of a user.
func (a *app) sessionsAnswer(c *cobra.Command, db *tidal.DB, user string, since time.Time) error {
	all, err := db.Sessions(c.Context(), tidal.SessionQuery{User: user, Since: since})
	if err != nil {
		return err
	}
	sum, err := db.UserSessions(c.Context(), user, since)
	if err != nil {
		return err
	}
	r := sessionsResult{
		User: user, Sessions: make([]sessionResult, len(all)), Open: sum.Open, Signals: sum.Signals, Rejections: sum.Rejections,
		TopTypes: typeCounts(sum.TopTypes),
	}
	if sum.DriftKnown {
		r.Drift = &sum.Drift
	}
	for i := range all {
		r.Sessions[i] = sessionResultOf(&all[i])
	}
	return a.answer(r, func(w io.Writer) {
		if len(r.Sessions) == 0 {
			fmt.Fprintln(w, "There are none.")
			return
		}
		var rows [][]string
		for _, s := range r.Sessions {
			state := "open"
			switch {
			case s.AutoClosed:
				state = "ended by itself"
			case s.Closed != "":
				state = "closed"
			}
			rows = append(rows, []string{
				printable(s.ID), printable(s.Agent), s.Opened, state, thousands(s.Signals), thousands(s.Rejections),
			})
		}
		table(w, []string{"session", "agent", "opened", "state", ">signals", ">refused"}, rows)
		fmt.Fprintf(w, "\n%d sessions, %d open; signals: %s; refused: %s\n", len(r.Sessions), r.Open,
			signalsText(sum.Signals, sum.TopTypes), thousands(r.Rejections))
		if r.Drift != nil {
			fmt.Fprintf(w, "What the user likes has moved by %.2f.\n", *r.Drift)
		}
	})
}
