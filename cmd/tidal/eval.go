package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/eval"
)

func (a *app) evalCommand() *cobra.Command {
	var o eval.Options
	c := &cobra.Command{
		Use:   "eval --dir D [--k 10] [--split S] [--positive RULE]",
		Short: "Measure how well lists foresee what users like, on a database's own events",
		Long: `Measure how well lists foresee what users like, on a database's own events. The directory is only read.

leave-last-out  Each user's last positive event on an item that was new to them is hidden, and what they did afterwards.
temporal        What lies behind the oldest 80 % of events is hidden; users' positive events there, on items that were
                there before and new to them, are what lists should hold.

Hidden events reach nobody who ranks: the others are written into a temporary database, whose clock ends at the newest of
them, and "for_you" is what that database answers. Popularity and item neighbours, without and with decay, are computed
from the same events. Lists are of all items but those that the user met.

An event is positive if it meets a --positive filter: a signal type, or one with a weight, such as rating>=4. Without a
filter it's a weight in the upper fifth of a scale, if a type's weights are one (four stars of five); else a signal of a
positive meaning. The rule that was used is printed.

Where signals echo the references of lists with exploration ("ref"), "explored" says for each slot how often what was
drawn got a positive answer, and by replay how often one item always shown there would have. That item is chosen by half
of the users and judged by the others.`,
		Example: `  tidal eval --dir D --json
  tidal eval --dir D --split temporal --k 10,25 --max-users 1000
  tidal eval --dir D --positive purchase --positive 'rating>=4'`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&o.Dir, "dir", "", "directory of the database")
	c.Flags().IntSliceVar(&o.K, "k", []int{10}, "lengths of lists to score, each 1 to 500")
	c.Flags().StringVar(&o.Split, "split", "", "leave-last-out or temporal (default: both)")
	c.Flags().StringArrayVar(&o.Positive, "positive", nil,
		"what counts as positive; may be repeated (default: found in the data)")
	c.Flags().IntVar(&o.MaxUsers, "max-users", 5000,
		"how many users get lists in each split, drawn by the seed; 0 is all")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "of what is drawn: users, and the interval of the difference")
	c.Flags().StringVar(&o.Temp, "temp", "", "where to make the temporary database (default: the temporary directory)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkEval(c, &o); err != nil {
			return err
		}
		if err := needDirectory(c, o.Dir); err != nil {
			return err
		}
		if o.MaxUsers == 0 {
			o.MaxUsers = -1
		}
		return a.runEval(c, o)
	}
	c.AddCommand(a.evalOpeCommand())
	return c
}

func checkEval(c *cobra.Command, o *eval.Options) error {
	if len(o.K) == 0 {
		return usagef(c, "--k is empty: want lengths of lists such as 10,25")
	}
	for _, k := range o.K {
		if k < 1 || k > 500 {
			return usagef(c, "--k %d: want 1 to 500", k)
		}
	}
	for _, f := range o.Positive {
		if err := eval.CheckFilter(f); err != nil {
			return usagef(c, "--positive: %v", err)
		}
	}
	switch {
	case o.Split != "" && o.Split != "leave-last-out" && o.Split != "temporal":
		return usagef(c, "--split %q: want leave-last-out or temporal", o.Split)
	case o.MaxUsers < 0:
		return usagef(c, "--max-users %d: want 1 or more, or 0 for all", o.MaxUsers)
	}
	return nil
}

func (a *app) runEval(c *cobra.Command, o eval.Options) error {
	step, finish := a.steps()
	o.Now, o.Step = a.now, step
	o.ForYou = eval.ForYou
	r, err := eval.Run(c.Context(), o)
	finish()
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	return a.answer(r, func(w io.Writer) { printEval(w, r) })
}

// steps returns a function that draws how far the present step is, and one that ends the drawing. Only a terminal sees
// it.
func (a *app) steps() (step eval.Step, finish func()) {
	if !onTerminal(a.stderr) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	doing := ""
	finish = func() {
		if bar != nil {
			_ = bar.Finish() // a bar that can't be drawn is no reason to stop
		}
	}
	return func(what string, done, total int) {
		if what != doing {
			finish()
			doing = what
			bar = progressbar.NewOptions(max(total, 1),
				progressbar.OptionSetWriter(a.stderr),
				progressbar.OptionSetDescription(what),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(),
			)
		}
		_ = bar.Set(done)
	}, finish
}

func printEval(w io.Writer, r *eval.Result) {
	by := "as --positive says"
	if r.PositiveBy == "auto" {
		by = "found in the data"
	}
	pairs(w, [][2]string{{"events", thousands(r.Events)}, {"positive", r.Positive + " (" + by + ")"}})
	if r.Outcome != nil {
		printOutcome(w, "leave-last-out", r.Outcome)
	}
	if r.Temporal != nil {
		printOutcome(w, "temporal", r.Temporal)
	}
	printExplored(w, r.Explored)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\nNote: %s.\n", note)
	}
}

func printOutcome(w io.Writer, name string, x *eval.Outcome) {
	s := x.Split
	fmt.Fprintln(w)
	users := thousands(s.TestUsers) + " users"
	if s.Ranked < s.TestUsers {
		users = fmt.Sprintf("%s of %s users, drawn by the seed", thousands(s.Ranked), thousands(s.TestUsers))
	}
	unreachable := ""
	if s.Unreachable > 0 {
		unreachable = fmt.Sprintf("; %s of them unknown in training", thousands(s.Unreachable))
	}
	pairs(w, [][2]string{
		{"split", name},
		{"now", s.Now},
		{"training", fmt.Sprintf("%s events of %s users on %s items; lists are of %s items", thousands(s.TrainingEvents),
			thousands(s.Users), thousands(s.Items), thousands(s.Served))},
		{"hidden", fmt.Sprintf("%s events under test, %s aside", thousands(s.TestEvents), thousands(s.AsideEvents))},
		{"tested", fmt.Sprintf("%s; %s items to foresee%s", users, thousands(s.Wanted), unreachable)},
	})
	fmt.Fprintln(w)
	head := []string{"by"}
	for _, k := range x.Popularity.K {
		head = append(head, fmt.Sprintf(">NDCG@%d", k), fmt.Sprintf(">HR@%d", k))
	}
	head = append(head, ">MRR", ">coverage", ">novelty", ">diversity", ">seconds")
	var rows [][]string
	for _, line := range []struct {
		name string
		f    *eval.Figures
	}{
		{"popularity", x.Popularity}, {"item_knn", x.ItemKNN}, {"item_knn_decay", x.ItemKNNDecay}, {"for_you", x.ForYou},
	} {
		if line.f != nil {
			rows = append(rows, evalRow(line.name, line.f))
		}
	}
	table(w, head, rows)
	fmt.Fprintf(w, "\nCoverage, novelty (bits) and diversity (by %s) are those of the first %d places.\n", x.DistanceBy,
		x.Popularity.K[0])
	if x.Above != nil {
		fmt.Fprintf(w, "for_you is %+.4f above item_knn_decay in NDCG@%d; 95 %% of resampled users say %+.4f to %+.4f.\n",
			x.Above.Mean, x.Popularity.K[0], x.Above.Low, x.Above.High)
	}
}

func printExplored(w io.Writer, slots []eval.SlotReport) {
	if len(slots) == 0 {
		return
	}
	fmt.Fprintln(w, "\nexploration: positive answers to what was drawn, and to the item that other users say is best")
	rate := func(i eval.Interval) string { return fmt.Sprintf("%.3f (%.3f to %.3f)", i.Mean, i.Low, i.High) }
	var rows [][]string
	for i := range slots {
		x := &slots[i]
		row := []string{x.Slot, thousands(x.Places), thousands(x.Users), thousands(x.Items), rate(x.Draw), "", ""}
		if x.Best != nil {
			row[5], row[6] = x.Best.Item, rate(x.Best.Estimate)
		}
		rows = append(rows, row)
	}
	table(w, []string{"slot", ">places", ">users", ">items", "drawn", "best item", "always it"}, rows)
}

func evalRow(name string, f *eval.Figures) []string {
	row := []string{name}
	for i := range f.K {
		row = append(row, fmt.Sprintf("%.4f", f.NDCG[i]), fmt.Sprintf("%.4f", f.HitRate[i]))
	}
	return append(row, fmt.Sprintf("%.4f", f.MRR), fmt.Sprintf("%.1f %%", 100*f.Coverage), fmt.Sprintf("%.2f", f.Novelty),
		fmt.Sprintf("%.3f", f.IntraListDiversity), fmt.Sprintf("%.1f", f.Seconds))
}
