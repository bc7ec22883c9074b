package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
)

// RankOptions tune [Rank].
type RankOptions struct {
	Env
	// Items is how many there are, 1,000 to 10,000,000, and Users how many act, 100 to 10,000,000.
	Items, Users int
	// Signals are written before anything is measured; 0 is five per item.
	Signals int
	// Dimensions is the length of the items' embedding; 0 is none.
	Dimensions int
	// Seconds is how long each profile is measured.
	Seconds float64
	// Clients ask for Rate lists a second together, while Ingest signals a second are written.
	Clients int
	Rate    float64
	Ingest  float64
	// Quiet measures every profile a second time without writes.
	Quiet bool
	// Only are the names of the profiles that are measured; none is all of them.
	Only []string
	Seed uint64
}

// RankResult is what [Rank] measured.
type RankResult struct {
	// Profiles are the lists by name, Quiet the same without writes, if that was asked for.
	Profiles map[string]RankFigures `json:"profiles"`
	Quiet    map[string]RankFigures `json:"quiet,omitempty"`
	// Recall is which part of the best 25 of all items a list has, for profiles whose candidates are only some items.
	Recall map[string]float64 `json:"recall"`
	// IngestPerSecond are the signals acknowledged per second while lists were made at a fixed rate, and RankPerSecond the
	// lists of for_you that the clients get when they ask one after the other, with the same writes beside them.
	IngestPerSecond float64 `json:"ingest_per_second"`
	RankPerSecond   float64 `json:"rank_per_second"`
	// Lists were made in all; HiddenServed of their items were hidden: by the database's own count, and by a check of what
	// was shown against what was hidden, of which Hides were acknowledged during the run.
	Lists        int `json:"lists"`
	Hides        int `json:"hides"`
	HiddenServed int `json:"hidden_served"`
	// LateP99 is how much later than asked for the clients were woken: how busy the machine was. It isn't in the lists'
	// times.
	LateP99 float64 `json:"woken_late_p99_us"`
	Items   int     `json:"items"`
	Users   int     `json:"users"`
	Signals int     `json:"signals"`
	// Dimensions is the embedding's length.
	Dimensions   int     `json:"dimensions"`
	Clients      int     `json:"clients"`
	Seconds      float64 `json:"seconds"`
	SetUpSeconds float64 `json:"set_up_seconds"`
	Cells        int     `json:"cells"`
	StateBytes   int64   `json:"state_bytes"`
	ViewBytes    int64   `json:"view_bytes"`
	Machine      Machine `json:"machine"`
	// Problems say why the run has failed, in words.
	Problems []string `json:"problems"`
}

// RankFigures are those of one kind of list.
type RankFigures struct {
	// P50, P99 and Mean are of lists in an open loop: lists fall due at Rate per second whatever the answers do, and a
	// list's time begins when it was due, if all clients were busy then.
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	Mean float64 `json:"mean_us"`
	// CPU is the processor time of a list when nothing is written and one is made at a time; 0 where that isn't known.
	CPU float64 `json:"cpu_us"`
	// Candidates were found, and Scored had all features computed, on average.
	Candidates float64 `json:"candidates"`
	Scored     float64 `json:"scored"`
	// Lists were measured, with Length items on average; Short had fewer than were asked for.
	Lists  int     `json:"lists"`
	Length float64 `json:"length"`
	Short  int     `json:"short"`
	// Rate is the one asked for, or half of what the clients can get if that's less.
	Rate float64 `json:"rate_per_second"`
	// Stages is where the time went, on average.
	Stages RankStages `json:"stages_us"`
}

// RankStages are the times of a list's stages, in microseconds.
type RankStages struct {
	User   float64 `json:"user"`
	Find   float64 `json:"find"`
	First  float64 `json:"first"`
	Second float64 `json:"second"`
	Mix    float64 `json:"mix"`
}

// ranking is one run of Rank.
type ranking struct {
	*RankOptions
	w       *world
	db      *tidal.DB
	result  *RankResult
	history *history
	clients []*asker
	seen    *hides
	// Of the writes while profiles were measured at a fixed rate.
	written int
	writing time.Duration
}

// Rank measures ranked lists under concurrent writes: how long they take, and how good they are compared with a look at
// all items.
func Rank(ctx context.Context, o RankOptions) (*RankResult, error) {
	if o.Signals == 0 {
		o.Signals = 5 * o.Items
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	s := &ranking{RankOptions: &o, w: newWorld(&o, time.Now().UnixMilli()), result: &RankResult{
		Profiles: map[string]RankFigures{}, Recall: map[string]float64{}, Items: o.Items, Users: o.Users, Signals: o.Signals,
		Dimensions: o.Dimensions, Clients: o.Clients, Seconds: o.Seconds, Machine: ThisMachine(), Problems: []string{},
	}}
	err := o.inTemp(func(dir string) (err error) {
		if s.db, err = tidal.Open(filepath.Join(dir, "tidal"), s.w.schema(), nil); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.db.Close()) }()
		if err := s.load(ctx); err != nil {
			return err
		}
		return s.measure(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	return s.result, nil
}

func (o *RankOptions) check() error {
	switch {
	case o.Items < 1000 || o.Users < 100:
		return fmt.Errorf("%d items and %d users; there must be 1,000 and 100", o.Items, o.Users)
	case o.Clients < 1 || !(o.Rate > 0) || o.Ingest < 0 || !(o.Seconds > 0):
		return fmt.Errorf("%d clients, %v lists and %v signals a second for %v s", o.Clients, o.Rate, o.Ingest, o.Seconds)
	}
	for _, name := range o.Only {
		if _, ok := rankedList(name); !ok {
			return fmt.Errorf("%q is none of the lists that are measured", name)
		}
	}
	return nil
}

// measure has every kind of list made, with recall before and behind it, and looks whether what was shown was in order.
func (s *ranking) measure(ctx context.Context) error {
	s.begin()
	var recalls []map[string]float64
	recall := func() error {
		r, err := s.recall(ctx)
		recalls = append(recalls, r)
		return err
	}
	if err := recall(); err != nil {
		return err
	}
	if err := s.profiles(ctx, s.result.Profiles, s.Ingest); err != nil {
		return err
	}
	if s.writing > 0 {
		s.result.IngestPerSecond = math.Round(float64(s.written) / s.writing.Seconds())
	}
	if err := recall(); err != nil {
		return err
	}
	if err := s.fullSpeed(ctx); err != nil {
		return err
	}
	if s.Quiet {
		s.result.Quiet = map[string]RankFigures{}
		if err := s.profiles(ctx, s.result.Quiet, 0); err != nil {
			return err
		}
	}
	if err := recall(); err != nil {
		return err
	}
	for name := range recalls[0] {
		sum := 0.0
		for _, r := range recalls {
			sum += r[name]
		}
		s.result.Recall[name] = math.Round(1000*sum/float64(len(recalls))) / 1000
	}
	s.verify()
	return nil
}

// verify looks whether what was shown was in order.
func (s *ranking) verify() {
	r := s.result
	own := int(s.db.Stats().HiddenServed)
	found := s.history.check()
	r.HiddenServed = max(own, len(found))
	if own > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("the database counts %d hidden items in finished lists", own))
	}
	for i, v := range found {
		if i == 20 {
			break
		}
		r.Problems = append(r.Problems, v)
	}
	for _, l := range rankedLists {
		f, measured := r.Profiles[l.name]
		if measured && l.full && f.Short > 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("%d of %d lists of %s are short, with that many items to choose from",
				f.Short, f.Lists, l.name))
		}
	}
	for _, c := range s.clients {
		r.Lists += c.lists
	}
	r.Hides = s.history.hidden()
}

// seconds and micros round to what is worth printing.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*100) / 100 }

func micros(d time.Duration) float64 { return math.Round(float64(d.Nanoseconds())/100) / 10 }
