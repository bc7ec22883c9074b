package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/ope"
)

// opeOptions are the flags of eval ope.
type opeOptions struct {
	format, log, target, window, context string
	rewards                              ope.Rewards
	how                                  ope.Options
}

// opeResult is what eval ope prints with --json.
type opeResult struct {
	Format string `json:"format"`
	Target string `json:"target"`
	*ope.Result
	// Truth is what the target brought where it ran itself, if --target is its log.
	Truth *ope.Estimate `json:"truth,omitempty"`
	// Lines, Undone and Young say what became of the lines of an export.
	Lines  int `json:"lines,omitempty"`
	Undone int `json:"undone,omitempty"`
	Young  int `json:"young,omitempty"`
}

func (a *app) evalOpeCommand() *cobra.Command {
	var o opeOptions
	c := &cobra.Command{
		Use:   "ope --format F --log FILE --target T",
		Short: "Estimate from a log with propensities what another policy would have brought",
		Long: `Estimate from a log with propensities what another policy would have brought (off-policy evaluation), in rewards per place.

ips    weighs each reward by how much more probable the target makes what was shown than the log did.
snips  is the same, divided by the sum of the weights.
dr     takes a model of rewards, and corrects it by the weighted rest; the model that corrects a round never saw it.

Each has a standard error ("se") and an interval that holds the truth 95 times of 100. "ess" is how many rounds of the
target's own would say as much; with a small one, or a large "max_weight", expect wide intervals.

--format obd    A log of the Open Bandit Dataset: CSV with item_id, position, click and propensity_score.
--format tidal  What tidal export prints: JSON lines. A round is a place that exploration filled and a signal answers; its
                reward is 1 if a signal of --reward answers it within --window. "-" reads standard input.

--target is one of
  uniform  every action with the same probability; of an export every item of the pool that the place was drawn from
  greedy   always what had the best rewards; who chooses never saw the rounds that judge
  FILE     CSV with context, action and probability, where context is what --context says or * for any; or, with obd, another
           log: the policy that made it, as often as it shows each item in each position. What that one was clicked is
           "truth" then

A target that wants what the log never shows is refused, with how much of it that is; --missing allows for some.`,
		Example: `  tidal eval ope --format obd --log bts/men/men.csv --target uniform --json
  tidal eval ope --format obd --log random/men/men.csv --target bts/men/men.csv
  tidal eval ope --format tidal --log events.jsonl --target policy.csv --reward like,purchase --window 24h
  tidal export --dir D --from now-7d | tidal eval ope --format tidal --log - --target greedy --reward like`,
		Args: usageArgs(cobra.NoArgs),
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "obd or tidal")
	f.StringVar(&o.log, "log", "", "the file with the log; - is standard input")
	f.StringVar(&o.target, "target", "", "uniform, greedy or a file")
	f.StringSliceVar(&o.rewards.Types, "reward", nil, "signal types of which one makes a reward of 1 (tidal only)")
	f.StringVar(&o.window, "window", "", "for how long after the list was made (tidal only; default: 24h)")
	f.StringVar(&o.rewards.Profile, "profile", "", "the only profile whose lists count (tidal only; default: all)")
	f.StringVar(&o.context, "context", "place", "what policy files name as context: place (slot, position) or user (tidal only)")
	f.Float64Var(&o.how.Clip, "clip", 0, "the largest weight, to which larger ones are cut; 0 doesn't cut")
	f.Float64Var(&o.how.Missing, "missing", 0, "which part of the target's choices may be such as the log never shows")
	f.Uint64Var(&o.how.Seed, "seed", 1, "of what is drawn: which rounds correct the model of which others")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(c); err != nil {
			return err
		}
		return a.runEvalOpe(&o)
	}
	return c
}

// check refuses command lines that say nothing sensible.
func (o *opeOptions) check(c *cobra.Command) error {
	switch {
	case o.format != "obd" && o.format != "tidal":
		return usagef(c, "--format %q: want obd or tidal", o.format)
	case o.log == "":
		return usagef(c, "--log is missing: name the file with the log")
	case o.target == "":
		return usagef(c, "--target is missing: want uniform, greedy or a file")
	case o.context != "place" && o.context != "user":
		return usagef(c, "--context %q: want place or user", o.context)
	case o.format == "tidal" && len(o.rewards.Types) == 0:
		return usagef(c, "--reward is missing: name the signal types that are a reward")
	case !(o.how.Clip >= 0):
		return usagef(c, "--clip %v: want a largest weight above 0, or 0 for none", o.how.Clip)
	case !(o.how.Missing >= 0 && o.how.Missing < 1):
		return usagef(c, "--missing %v: want at least 0 and less than 1", o.how.Missing)
	}
	if o.format == "obd" {
		for _, name := range []string{"reward", "window", "profile", "context"} {
			if c.Flags().Changed(name) {
				return usagef(c, "--%s is for --format tidal", name)
			}
		}
	}
	o.rewards.ByUser = o.context == "user"
	if o.window != "" {
		d, err := parseSpan(o.window)
		if err != nil || d < time.Millisecond {
			return usagef(c, "--window: %q is not a length of time such as 90s, 36h or 7d", o.window)
		}
		o.rewards.Window = d
	}
	return nil
}

func (a *app) runEvalOpe(o *opeOptions) error {
	r := &opeResult{Format: o.format, Target: o.target}
	rounds, err := a.readRounds(o, r)
	if err != nil {
		return fmt.Errorf("eval ope: read %s: %w", o.log, err)
	}
	target, err := o.policy(rounds, r)
	if err != nil {
		return fmt.Errorf("eval ope: read the target %s: %w", o.target, err)
	}
	r.Result, err = ope.Evaluate(rounds, target, o.how)
	var missing *ope.SupportError
	if errors.As(err, &missing) {
		return fmt.Errorf("eval ope: %w; --missing allows for it", err)
	}
	if err != nil {
		return fmt.Errorf("eval ope: %w", err)
	}
	return a.answer(r, func(w io.Writer) { r.print(w) })
}

// readRounds reads --log.
func (a *app) readRounds(o *opeOptions, r *opeResult) ([]ope.Round, error) {
	in := a.stdin
	if o.log != "-" {
		f, err := os.Open(o.log)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	if o.format == "obd" {
		return ope.ReadOpenBandit(in)
	}
	x, err := ope.ReadExport(in, o.rewards)
	if err != nil {
		return nil, err
	}
	r.Lines, r.Undone, r.Young = x.Lines, x.Undone, x.Young
	return x.Rounds, nil
}

// policy is what --target names.
func (o *opeOptions) policy(rounds []ope.Round, r *opeResult) (ope.Policy, error) {
	switch {
	case o.target == "greedy":
		return ope.Greedy{}, nil
	case o.target == "uniform" && o.format == "tidal":
		return ope.AsLogged{}, nil
	case o.target == "uniform":
		return ope.Uniform(rounds), nil
	}
	f, err := os.Open(o.target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	in := bufio.NewReader(f)
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head, _, _ = bytes.Cut(head, []byte("\n"))
	if o.format != "obd" || !bytes.Contains(head, []byte("propensity_score")) {
		return ope.ReadPolicy(in)
	}
	own, err := ope.ReadOpenBandit(in)
	if err != nil {
		return nil, err
	}
	itself, err := ope.Evaluate(own, ope.AsLogged{}, ope.Options{})
	if err != nil {
		return nil, err
	}
	r.Truth = &itself.OnPolicy
	return ope.Frequencies(own), nil
}

func (r *opeResult) print(w io.Writer) {
	lines := [][2]string{
		{"target", r.Target},
		{"log", fmt.Sprintf("%s rounds of %s independent users or visits, %s places, %s actions", thousands(r.Rounds),
			thousands(r.Clusters), thousands(r.Places), thousands(r.Actions))},
		{"weights", fmt.Sprintf("mean %.3f, largest %.1f; worth %s rounds of the target's own", r.MeanWeight, r.MaxWeight,
			thousands(int(r.ESS)))},
	}
	if r.Young > 0 {
		lines = append(lines, [2]string{"left out", thousands(r.Young) + " places whose window the export doesn't cover"})
	}
	if r.Clip > 0 {
		lines = append(lines, [2]string{"clipped", fmt.Sprintf("%s weights to %g: estimates are biased", thousands(r.Clipped), r.Clip)})
	}
	if r.Missing > 0 {
		lines = append(lines, [2]string{"missing", fmt.Sprintf("%.1f %% of the target's choices are never shown", 100*r.Missing)})
	}
	pairs(w, lines)
	fmt.Fprintln(w)
	row := func(name string, e *ope.Estimate) []string {
		return []string{name, fmt.Sprintf("%.5f", e.Value), fmt.Sprintf("%.5f to %.5f", e.Low, e.High), fmt.Sprintf("%.5f", e.StdErr)}
	}
	rows := [][]string{row("ips", &r.IPS), row("snips", &r.SNIPS), row("dr", &r.DR), row("the log as it is", &r.OnPolicy)}
	if r.Truth != nil {
		rows = append(rows, row("the target itself", r.Truth))
	}
	table(w, []string{"by", ">reward per place", "95 % interval", ">standard error"}, rows)
}
