package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/internal/refold"
	"github.com/tidaldb/tidal/query"
)

// demoResult is what demo prints with --json.
type demoResult struct {
	Signals int `json:"signals"`
	// Before and After are one reader's list before the burst, and once the burst was over and the reader had hidden some of
	// what the list held then.
	Before []string `json:"before"`
	After  []string `json:"after"`
	// Hidden are the items that the reader hid. HiddenServed counts those that were in a list all the same: by the
	// database's own count, before and after the kill, and by a checker of everything that was shown.
	Hidden       []string `json:"hidden"`
	HiddenServed int      `json:"hidden_served"`
	// Recovered is true when the database that was reopened after the kill has the digest and the list that the
	// killed process had.
	Recovered bool   `json:"recovered"`
	Digest    string `json:"digest"` // of the reopened database
	// Cells and UserRecords were compared with what the killed process had reported as acknowledged; Different counts
	// the records of any kind that weren't as they had to be.
	Cells       int `json:"verified_cells"`
	UserRecords int `json:"verified_user_records"`
	Different   int `json:"different"`
}

func (a *app) demoCommand() *cobra.Command {
	var dir string
	var once bool
	c := &cobra.Command{
		Use:   "demo [--once] [--dir D]",
		Short: "See in half a minute what tidal does: lists that follow signals, and a crash that loses nothing",
		Long: `See what tidal does. A second process fills a database with invented readers and articles, asks what one of the readers
should be shown, lets three articles become popular, asks again, has the reader hide three articles of the list, and is
then killed without warning (SIGKILL). The database is reopened and compared with what it was before the kill, and with
every signal that the killed process had reported as acknowledged. What was hidden is in none of the lists behind it.

With --once it prints the outcome alone and leaves nothing behind.`,
		Example: `  tidal demo
  tidal demo --once --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "empty directory for the database (default: a temporary one)")
	c.Flags().BoolVar(&once, "once", false, "print the outcome only, and remove the temporary directory")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.runDemo(c, dir, once)
	}
	return c
}

func (a *app) runDemo(c *cobra.Command, dir string, once bool) (err error) {
	made := dir == ""
	if made {
		if dir, err = os.MkdirTemp("", "tidal-demo-"); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	} else if fresh, err := isFresh(dir); err != nil {
		return err
	} else if !fresh {
		return tidalInput("%s isn't empty; the demo wants a directory of its own", dir)
	}
	if made && (once || a.json) {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	d := &demo{app: a, dir: dir, titles: demoTitles(), say: a.stdout}
	if once || a.json {
		d.say = io.Discard
	}
	if err := d.run(c.Context()); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := a.answer(d.result, func(w io.Writer) { d.conclude(w, once) }); err != nil {
		return err
	}
	if d.result.failed() {
		a.json = false // the object is printed already
		return errDemo
	}
	return nil
}

func (r *demoResult) failed() bool { return !r.Recovered || r.Different > 0 || r.HiddenServed > 0 }

// demo is the surviving process's part.
type demo struct {
	*app
	dir    string
	titles map[string]string
	say    io.Writer // the story
	result demoResult
	ready  demoStep // the last report of the child
	wrote  []*demoWrite
	ops    []hidden.Op // what the reader hid and was shown
	clock  demoClock
	shown  []string // the list after the burst, for the story
}

func (d *demo) run(ctx context.Context) error {
	killed, err := d.runChild(ctx)
	if err != nil {
		return err
	}
	if err := d.reopen(ctx, killed); err != nil {
		return err
	}
	return d.compare(ctx)
}

// runChild starts the child, tells what it reports, and kills it when it has nothing more to do.
func (d *demo) runChild(ctx context.Context) (killed bool, err error) {
	exe, err := d.self()
	if err != nil {
		return false, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, exe, demoChildName, "--dir", d.dir)
	child.Stderr = d.stderr
	// The child lives as long as this pipe is open, even if this process is killed itself.
	hold, err := child.StdinPipe()
	if err != nil {
		return false, fmt.Errorf("start the second process: %w", err)
	}
	defer func() { _ = hold.Close() }() // Wait has closed it, if it came to that
	reports, err := child.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("start the second process: %w", err)
	}
	if err := child.Start(); err != nil {
		return false, fmt.Errorf("start the second process: %w", err)
	}
	d.tellStart(child.Process.Pid)
	steps := json.NewDecoder(reports)
	for d.ready.Step != "ready" && err == nil {
		var s demoStep
		if err = steps.Decode(&s); err == nil {
			d.note(&s)
			d.tell(&s)
			if s.Wrote != nil {
				d.wrote = append(d.wrote, s.Wrote)
				continue
			}
			d.ready = s
		}
	}
	// SIGKILL: the child gets no chance to close, flush or say goodbye.
	err = errors.Join(err, child.Process.Kill())
	var exit *exec.ExitError
	wait := child.Wait()
	if errors.As(wait, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, fmt.Errorf("the second process failed: %w", errors.Join(err, wait))
	}
	return killed, nil
}

// reopen opens what the killed process left and compares.
func (d *demo) reopen(ctx context.Context, killed bool) error {
	began := d.now()
	db, err := tidal.Open(d.dir, nil, nil)
	if err != nil {
		return err
	}
	took := d.now().Sub(began)
	list, err := demoAsk(ctx, db, demoQuery(time.UnixMilli(d.ready.At)), &d.clock)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	// A list of everything there is holds what was hidden if any list does.
	all, err := demoAsk(ctx, db, query.Rank("new").For(demoReader).Limit(query.MaxLimit).Query(), &d.clock)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	d.ops = append(d.ops, list.op, all.op)
	d.countHidden(d.ready.Served + db.Stats().HiddenServed)
	d.result.Digest = db.Digest().String()
	d.result.Signals = d.ready.Signals
	same := slices.Equal(ids(list.scored), d.result.After)
	d.result.Recovered = killed && same && d.result.Digest == d.ready.Digest
	d.tellReopened(took, same, len(all.scored))
	return db.Close()
}

// note keeps what a step did that is checked, or compared, in the end.
func (d *demo) note(s *demoStep) {
	d.ops = append(d.ops, s.Ops...)
	for _, op := range s.Ops {
		d.clock = max(d.clock, demoClock(op.End))
		if op.Op == hidden.Hide {
			d.result.Hidden = append(d.result.Hidden, op.Target)
		}
	}
	switch s.Step {
	case "before":
		d.result.Before = ids(s.List)
	case "after":
		d.result.After = ids(s.List)
	}
}

// countHidden counts what was served though it was hidden: what databases counted, and what a checker finds in all lists.
func (d *demo) countHidden(counted uint64) {
	d.result.HiddenServed = int(counted) + len(hidden.Check(d.ops))
}

// compare holds every record of the reopened database against what the killed process had reported as acknowledged.
func (d *demo) compare(ctx context.Context) error {
	signals := 0
	r, err := refold.Directory(ctx, d.dir, refold.Options{Apart: 1}, func(fold *refold.Fold) error {
		for _, w := range d.wrote {
			signals += len(w.Signals)
			if err := w.fold(fold); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if r.Different == 0 && (signals != d.ready.Signals || r.Signals != int64(signals) || r.Cells == 0 || r.UserRecords == 0) {
		return fmt.Errorf("compare: of %d signals %d were reported, and %d compared", d.ready.Signals, signals, r.Signals)
	}
	d.tellDifferences(&r)
	d.result.Cells, d.result.UserRecords, d.result.Different = r.Cells, r.UserRecords, r.Different
	d.tellCompared(signals)
	return nil
}

func (w *demoWrite) fold(fold *refold.Fold) error {
	for _, p := range w.Puts {
		if err := fold.Put(refold.Put{Kind: p.Kind, ID: p.ID, Fields: p.Fields, Request: uint64(w.Number)}); err != nil {
			return err
		}
	}
	for _, s := range w.Signals {
		err := fold.Add(refold.Event{
			Type: s.Type, Item: s.Item, User: s.User, Time: s.Time.UnixMilli(), Untimed: w.Clamped, Request: uint64(w.Number),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) tellStart(pid int) {
	fmt.Fprintf(d.say, `tidal demo

A second process (%d) opens a database in
  %s
and plays a small site: %d articles, %d readers, and a month of views, likes and skips.

`, pid, d.dir, demoItems, demoUsers)
}

// tell notes what the child reports, and tells it.
func (d *demo) tell(s *demoStep) {
	switch s.Step {
	case "seeded":
		fmt.Fprintf(d.say, "1. It wrote %d articles and %s signals in %s, %d to a request. Each request was on disk before\n"+
			"   the next one was sent.\n\n", s.Items, thousands(s.Signals), round(s.Took), demoRequest)
	case "before":
		fmt.Fprintf(d.say, "2. What %s should be shown now. The score is made of what those who liked the same articles\n"+
			"   liked, and of what everybody likes these days:\n\n", demoReader)
		d.tellList(s.List, nil)
	case "burst":
		fmt.Fprintf(d.say, "3. Three articles from further down become popular: %s likes, one write at a time.\n"+
			"   A write returns when it is on disk and counted in every score. The median took %s, the slowest %s.\n\n",
			thousands(s.Signals), round(s.Median), round(s.Slowest))
	case "shown":
		fmt.Fprintf(d.say, "4. The same list a moment later (* is new):\n\n")
		d.tellList(s.List, d.result.Before)
		d.shown = ids(s.List)
	case "hide":
		fmt.Fprintf(d.say, "5. %s hides %s. The list that begins next doesn't have them (* is new):\n\n", demoReader,
			strings.Join(d.result.Hidden, ", "))
	case "after":
		d.tellList(s.List, d.shown)
	case "ready":
		fmt.Fprintf(d.say, "6. The state's digest, a hash of everything that was counted, is\n   %s\n"+
			"   Now the process is killed (SIGKILL), with the database open.\n\n", s.Digest)
	}
}

func (d *demo) tellList(list []topScored, before []string) {
	rows := make([][]string, len(list))
	for i, s := range list {
		mark := ""
		if before != nil && !slices.Contains(before, s.Item) {
			mark = "*"
		}
		rows[i] = []string{
			"  " + mark, strconv.Itoa(i + 1), s.Item, d.titles[s.Item],
			strconv.FormatFloat(s.Score, 'f', 2, 64),
		}
	}
	table(d.say, []string{"", ">rank", "item", "title", ">score"}, rows)
	fmt.Fprintln(d.say)
}

func (d *demo) tellReopened(took time.Duration, same bool, all int) {
	words := map[bool]string{true: "the same", false: "NOT THE SAME"}
	fmt.Fprintf(d.say, "7. Reopened in %s. The digest is %s, the list is %s.\n"+
		"   Of what %s hid, lists held %d, one of all %d other articles among them.\n\n", round(took),
		words[d.result.Digest == d.ready.Digest], words[same], demoReader, d.result.HiddenServed, all)
}

func (d *demo) tellCompared(signals int) {
	fmt.Fprintf(d.say, "8. All %s signals that had been acknowledged were counted once more, by other code: %s cells and %s\n"+
		"   records of readers, %d of them different.\n\n", thousands(signals), thousands(d.result.Cells),
		thousands(d.result.UserRecords), d.result.Different)
}

// conclude prints the outcome of --once, or how to go on.
func (d *demo) conclude(w io.Writer, once bool) {
	if once {
		pairs(w, [][2]string{
			{"signals", thousands(d.result.Signals)},
			{"before", fmt.Sprint(d.result.Before)},
			{"after", fmt.Sprint(d.result.After)},
			{"hidden", fmt.Sprintf("%v, %d of them served", d.result.Hidden, d.result.HiddenServed)},
			{"recovered", strconv.FormatBool(d.result.Recovered)},
			{"digest", d.result.Digest},
			{"compared", fmt.Sprintf("%s cells, %s records of readers", thousands(d.result.Cells),
				thousands(d.result.UserRecords))},
			{"different", thousands(d.result.Different)},
		})
		return
	}
	fmt.Fprintf(w, `The database is still there. Look around:

  tidal rank --dir %[1]s --user %[3]s --explain
  tidal top --dir %[1]s --type like
  tidal get --dir %[1]s --item %[2]s --type like
  tidal verify --dir %[1]s
  rm -r %[1]s

With data of your own: tidal import --help, and tidal schema --format csv for the schema to begin with.
`, d.dir, d.result.After[0], demoReader)
}

func ids(list []topScored) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.Item
	}
	return out
}

// round prints a time taken to three digits or so.
func round(t time.Duration) string {
	switch {
	case t > time.Second:
		return t.Round(10 * time.Millisecond).String()
	case t > time.Millisecond:
		return t.Round(10 * time.Microsecond).String()
	default:
		return t.Round(time.Microsecond).String()
	}
}
