package eval

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Options say what is evaluated.
type Options struct {
	// Dir is the directory of the database whose events are used. It is only read.
	Dir string
	// ForYou asks a database for a list; nil leaves "for_you" out.
	ForYou Rank
	// Positive are filters such as "rating>=4", any of which makes an event positive; none finds a rule, see
	// [FindRule].
	Positive []string
	// K are list lengths, each from 1 to 500; none is 10.
	K []int
	// Split is "leave-last-out", "temporal", or empty for both.
	Split string
	// MaxUsers is how many users get lists in each split, at most; the seed draws them. 0 is 5,000, below 0 all.
	MaxUsers int
	// Seed decides what is drawn.
	Seed uint64
	// Temp is where temporary databases are made; empty is the system's directory for such.
	Temp string
	// Step is told of progress; nil is off.
	Step Step
	// Now is the wall clock, for durations.
	Now func() time.Time
}

const (
	defaultK     = 10
	maxK         = 500
	defaultUsers = 5000
)

func (o *Options) check() error {
	o.K = slices.Clone(o.K)
	if len(o.K) == 0 {
		o.K = []int{defaultK}
	}
	slices.Sort(o.K)
	o.K = slices.Compact(o.K)
	if o.K[0] < 1 || o.K[len(o.K)-1] > maxK {
		return fault.Refuse("k", "%v: each must be from 1 to %d", o.K, maxK)
	}
	if o.MaxUsers == 0 {
		o.MaxUsers = defaultUsers
	}
	if o.Split != "" && o.Split != leaveLastOut && o.Split != temporal {
		return fault.Refuse("split", "%q: want %s or %s", o.Split, leaveLastOut, temporal)
	}
	return nil
}

// Run evaluates. Errors: an input error for options that make no sense and for data in which nobody can be tested,
// those of [ReadLog], and those of ranking.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Step.tell("reading the log", 0, 0)
	l, err := ReadLog(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	d, err := NewData(l, o.Positive)
	if err != nil {
		return nil, err
	}
	r := &Result{LogFrom: l.From, Events: len(l.Events), Positive: d.Positive.Text, PositiveBy: "flag", Seed: o.Seed}
	if d.Positive.Found {
		r.PositiveBy = "auto"
	}
	if l.From > 1 {
		r.Notes = append(r.Notes, fmt.Sprintf(
			"the log begins with entry %d: older events were let go and are not part of this", l.From))
	}
	if r.Explored, err = explored(ctx, o.Dir, d); err != nil {
		return nil, fmt.Errorf("read what exploration showed: %w", err)
	}
	if o.Split != temporal {
		s, err := LeaveLastOut(d)
		if err != nil {
			return nil, err
		}
		if r.Outcome, err = outcome(ctx, d, s, &o); err != nil {
			return nil, err
		}
	}
	if o.Split != leaveLastOut {
		s, err := Temporal(d)
		var refused *fault.Input
		switch {
		case errors.As(err, &refused) && o.Split == "":
			r.Notes = append(r.Notes, "no temporal split: "+refused.Reason)
		case err != nil:
			return nil, err
		default:
			if r.Temporal, err = outcome(ctx, d, s, &o); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// outcome evaluates one split.
func outcome(ctx context.Context, d *Data, s *Split, o *Options) (*Outcome, error) {
	t := NewTraining(d, s)
	tests := draw(s.Tests, o.MaxUsers, o.Seed)
	j := newJudge(d, s, t, tests, o)
	out := &Outcome{Split: seen(d, s, t, tests), DistanceBy: j.distance.by}

	began := o.Now()
	popular := NewPopularity(t)
	v, err := j.scoreSince(ctx, popular, began)
	if err != nil {
		return nil, err
	}
	out.Popularity = &v.Figures
	o.Step.tell("finding neighbours, "+s.Name, 0, 0)
	began = o.Now()
	near := NewNeighbours(t)
	found := o.Now().Sub(began)
	if v, err = j.scoreSince(ctx, NewKNN(near, popular), o.Now().Add(-found)); err != nil {
		return nil, err
	}
	out.ItemKNN = &v.Figures
	decayed, err := j.scoreSince(ctx, NewDecayedKNN(near, popular), o.Now().Add(-found))
	if err != nil {
		return nil, err
	}
	out.ItemKNNDecay = &decayed.Figures
	if o.ForYou == nil {
		return out, nil
	}
	v, err = forYou(ctx, j, d, s, t, o)
	if err != nil {
		return nil, err
	}
	out.ForYou = &v.Figures
	differences := make([]float64, len(v.ndcg))
	for i := range differences {
		differences[i] = v.ndcg[i] - decayed.ndcg[i]
	}
	above := Bootstrap(differences, o.Seed)
	out.Above = &above
	return out, nil
}

// forYou evaluates a database of the training events.
func forYou(ctx context.Context, j *judge, d *Data, s *Split, t *Training, o *Options) (v *verdict, err error) {
	began := o.Now()
	r, err := openDatabase(ctx, o.Temp, "for_you", o.ForYou, d, s, t, o.Step)
	if err != nil {
		return nil, fmt.Errorf("for_you: %w", err)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return j.scoreSince(ctx, r, began)
}

// draw takes at most n users, in their order.
func draw(tests []Case, n int, seed uint64) []Case {
	if n < 0 || len(tests) <= n {
		return tests
	}
	rng := rand.New(rand.NewPCG(seed, 0x75736572))
	taken := rng.Perm(len(tests))[:n]
	slices.Sort(taken)
	out := make([]Case, n)
	for i, at := range taken {
		out[i] = tests[at]
	}
	return out
}

func seen(d *Data, s *Split, t *Training, tests []Case) Seen {
	out := Seen{
		Now:   time.UnixMilli(s.Now).UTC().Format("2006-01-02T15:04:05.999Z07:00"),
		Users: t.Users, Served: t.CatalogueSize(), TrainingEvents: t.Events,
		TestUsers: len(s.Tests), Ranked: len(tests),
	}
	for i := range d.Events {
		switch s.Part[d.Of[i]] {
		case Test:
			out.TestEvents++
		case Aside:
			out.AsideEvents++
		}
	}
	trained := make([]bool, len(d.Items))
	for i := range d.Interactions {
		if s.Part[i] == Train {
			trained[d.Interactions[i].Item] = true
		}
	}
	out.Items = countTrue(trained)
	for _, c := range tests {
		out.Wanted += len(c.Items)
		for _, item := range c.Items {
			if !t.Served[item] {
				out.Unreachable++
			}
		}
	}
	return out
}
