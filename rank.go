package tidal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ranker"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// Rank answers what should be shown: for a user, now, in which order. The list holds existing items that pass the query's
// filter, best first by the profile, mixed as the profile or the query says. What the user has hidden, or whose creator
// they have muted or blocked, isn't in it: that is looked up last, against now, whatever else the query says of time.
//
// A refused query is an [InputError] with its place, or a [query.Error], which is one, too. Nothing is written. When ctx
// ends before the list is begun, the error is the context's.
func (db *DB) Rank(ctx context.Context, q *query.Query) (*Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	db.ranking.Add(1)
	defer db.ranking.Add(-1)
	if err := db.turn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-db.turns }()
	for {
		a, err := db.rankOnce(ctx, q)
		if errors.Is(err, errSchemaGrew) {
			continue // the schema has grown in between
		}
		return a, db.known(err)
	}
}

// listsAtOnce is how many lists are made at the same time, for each processor; others wait for their turn, in the order in
// which they came.
//
// A list is a millisecond of computing, with the lock of readers held. If all that are asked for ran at once, as goroutines
// do, each would take as long as all of them together, a write would wait until each had let go of the lock, and nobody
// could tell how many wait: they would wait for a processor before they have been counted. More than one for each, because
// the user of a list may have to be read from the disk.
const listsAtOnce = 2

// turn waits until a list may be made.
func (db *DB) turn(ctx context.Context) error {
	// A goroutine that computes isn't interrupted for 10 ms. Without this the next list that is asked for would begin when
	// this one is through, and never find it under way.
	runtime.Gosched()
	select {
	case db.turns <- struct{}{}:
		return nil
	default:
	}
	select {
	case db.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("rank: %w", ctx.Err())
	}
}

var errSchemaGrew = errors.New("the schema has grown")

func (db *DB) rankOnce(ctx context.Context, q *query.Query) (*Answer, error) {
	s := db.Schema()
	if db.closed.Load() {
		return nil, fault.ErrClosed
	}
	plan, err := q.Compile(s)
	if err != nil {
		return nil, err
	}
	keys, err := db.host.Keys()
	if err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	a := &Answer{db: db, keys: keys}
	job := &ranker.Job{Ask: askOf(plan), Effort: db.effort(), Clock: db.sinceOpen()}
	if err := a.begin(db, plan, job); err != nil {
		return nil, err
	}
	if err := db.program(s, plan, a.page.Version, job); err != nil {
		return nil, err
	}
	r, _ := db.rankers.Get().(*ranker.Ranker)
	if r == nil {
		r = &ranker.Ranker{}
	}
	defer db.rankers.Put(r)
	var list *ranker.List
	err = db.readUser(ctx, plan.User, func(e *engine.Engine) error {
		if now, _ := e.Schema(); now != s {
			return errSchemaGrew
		}
		job.Engine, job.Views = e, viewsOf(e)
		list, err = r.Run(job)
		if err != nil {
			return err
		}
		a.Vector, a.highest = e.Vector(), e.Highest()
		db.look(e, plan.User, list)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.take(job, list)
	a.Stats.Unreachable, a.Stats.Lag = db.host.Reach()
	return a, nil
}

// look counts hidden items in a finished list, and takes them out.
func (db *DB) look(e *engine.Engine, user string, list *ranker.List) {
	kept := list.Items[:0]
	for i := range list.Items {
		if ranker.Hidden(e, user, list.Items[i].ID) {
			db.hidden.Add(1)
			continue
		}
		kept = append(kept, list.Items[i])
	}
	list.Items = kept
	db.hidden.Add(uint64(list.Stats.Stopped))
}

// begin fills in what a list is made with: of a pinned list's, or anew.
func (a *Answer) begin(db *DB, plan *query.Plan, job *ranker.Job) error {
	use, field, text := token.NextPage, "cursor", plan.Cursor
	if plan.AsOf != "" {
		use, field, text = token.Again, "as_of", plan.AsOf
	}
	if text == "" {
		a.page = token.Pinned{
			Feed: rand.Uint64(), Seed: rand.Uint64(), Time: db.millis(plan.At), Version: plan.Version,
			Query: plan.Fingerprint,
		}
		if plan.Seed != nil {
			a.page.Seed = *plan.Seed
		}
	} else {
		p, err := token.OpenPinned(a.keys, use, field, text)
		if err != nil {
			return err
		}
		if p.Query != [16]byte(fingerprintOf(plan)) {
			return fault.Refuse(field, "belongs to another query: all but limit and explain must be as they were")
		}
		a.page, a.before = *p, p.Before
		a.page.Items = nil
		job.AsShown, job.Page = use == token.Again, p.Page
		for _, x := range p.Items {
			job.Kept = append(job.Kept, ranker.Kept{ID: x.ID, Score: x.Score, Slot: x.Slot, Propensity: x.Propensity})
		}
	}
	job.At, job.Seed = a.page.Time, a.page.Seed
	a.Feed, a.Seed, a.At = a.page.Feed, a.page.Seed, time.UnixMilli(a.page.Time).UTC()
	return nil
}

// fingerprintOf is that of the query that a pinned list was made for: it had neither cursor nor as-of.
func fingerprintOf(plan *query.Plan) query.Fingerprint { return plan.Fingerprint }

// take fills in what came out.
func (a *Answer) take(job *ranker.Job, list *ranker.List) {
	a.Profile, a.Version = job.Program.Name(), job.Program.Version()
	a.page.Profile, a.page.Version = a.Profile, a.Version
	a.Items = make([]RankedItem, len(list.Items))
	for i := range list.Items {
		x := &list.Items[i]
		a.Items[i] = RankedItem{
			Item: x.ID, Score: x.Score, Slot: x.Slot, Propensity: x.Propensity, Pinned: x.Pinned, Terms: x.Terms,
		}
	}
	a.rest, a.Broken, a.Warnings = list.Rest, list.Broken, list.Warnings
	s := &list.Stats
	a.Stats = RankStats{
		Candidates: s.Candidates, Passed: s.Passed, Scored: s.Scored, Hidden: s.Hidden, Degradation: s.Effort.String(),
		User: s.User, Find: s.Find, First: s.First, Second: s.Second, Mix: s.Mix,
	}
}

// program finds the profile of a query, for those of whom something is known and for strangers.
func (db *DB) program(s *schema.Schema, plan *query.Plan, version uint32, job *ranker.Job) (err error) {
	if job.Stranger, err = db.programs.get(s, plan, version, rank.Stranger); err != nil {
		return err
	}
	if plan.User == "" {
		job.Program = job.Stranger
		return nil
	}
	job.Program, err = db.programs.get(s, plan, version, rank.Known)
	return err
}

func askOf(p *query.Plan) *ranker.Ask {
	return &ranker.Ask{
		User: p.User, Similar: p.Similar, Cohort: p.Cohort, Filter: p.Filter, Exclude: p.Exclude, Buries: p.Buries,
		Pins: p.Pins, Boosts: p.Boosts, Limit: p.Limit, Diversity: p.Diversity, Explore: p.Explore, Explain: p.Explain,
	}
}

// effort is how much is done for a list, by how many are being made.
func (db *DB) effort() ranker.Effort {
	n := db.ranking.Load()
	for i := len(db.degrade) - 1; i >= 0; i-- {
		if db.degrade[i] > 0 && n >= int64(db.degrade[i]) {
			return ranker.Effort(i + 1)
		}
	}
	return ranker.Full
}

// sinceOpen reads a clock that doesn't go back.
func (db *DB) sinceOpen() func() time.Duration {
	return func() time.Duration { return time.Since(db.opened) }
}

// QueryPlan says in words how a query would be answered: its normal form, the profile's sources, and what the filter is
// planned to do, with how many items it expects. The errors are those of [DB.Rank].
func (db *DB) QueryPlan(ctx context.Context, q *query.Query) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("plan: %w", err)
	}
	s := db.Schema()
	if db.closed.Load() {
		return "", fault.ErrClosed
	}
	plan, err := q.Compile(s)
	if err != nil {
		return "", err
	}
	job := &ranker.Job{Ask: askOf(plan), At: db.millis(plan.At)}
	if err := db.program(s, plan, plan.Version, job); err != nil {
		return "", err
	}
	program := job.Program
	var b strings.Builder
	fmt.Fprintf(&b, "query        %s\nfingerprint  %s\nprofile      %s, version %d\n", plan.Query.String(), plan.Fingerprint,
		program.Name(), program.Version())
	for _, w := range program.Warnings() {
		fmt.Fprintf(&b, "warning      %s\n", w)
	}
	var r ranker.Ranker
	err = db.readUser(ctx, plan.User, func(e *engine.Engine) error {
		job.Engine, job.Views = e, viewsOf(e)
		return r.Plan(job, &b)
	})
	return b.String(), err
}

// Profiles returns the profiles that queries can name: those of the schema, and the built-in ones.
func (db *DB) Profiles() []schema.Profile {
	s := db.Schema()
	return append(rank.Builtins(s), s.Profiles...)
}

// newViews makes what lists are found by, for an engine; a replica that takes over another's state makes another one.
func newViews() engine.Views { return ranker.NewViews() }

// viewsOf returns what lists are found by beside an engine, guarded as that is.
func viewsOf(e *engine.Engine) *ranker.Views { return e.Views().(*ranker.Views) }
