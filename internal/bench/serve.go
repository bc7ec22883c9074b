package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal"
	tidalclient "github.com/tidaldb/tidal/client"
)

// ServeOptions tune [Serve].
type ServeOptions struct {
	Env
	// Items is how many there are, 1,000 to 10,000,000, and Users how many act, 100 to 10,000,000.
	Items, Users int
	// Before is how many signals are there before anything is measured; 0 is five per item.
	Before int
	// Dimensions is the length of the items' embedding; 0 is none.
	Dimensions int
	// Connections carry one request at a time each, 1 to 1,024.
	Connections int
	// Rate is how many lists fall due per second, Signals how many signals, in requests of Batch, and Reactions how often a
	// user hides something and asks for the next list.
	Rate, Signals, Reactions float64
	// List is the name of the list that is asked for, one of [RankedLists].
	List string
	// Seconds is how long it's measured.
	Seconds float64
	// Settings are the server's, as flags of tidal serve.
	Settings []string
	// ServerProfile is the file for a CPU profile of the server; empty is none.
	ServerProfile string
	Seed          uint64
}

// ServeResult is what [Serve] measured. Times of requests begin when they were due.
type ServeResult struct {
	RankP50     float64 `json:"rank_p50_ms"`
	RankP99     float64 `json:"rank_p99_ms"`
	SignalP50   float64 `json:"signal_p50_ms"`
	SignalP99   float64 `json:"signal_p99_ms"`
	ReactionP50 float64 `json:"reaction_p50_ms"`
	ReactionP99 float64 `json:"reaction_p99_ms"`
	// What came of what was asked for, per second.
	RanksPerSecond   float64 `json:"ranks_per_second"`
	SignalsPerSecond float64 `json:"signals_per_second"`
	Reactions        int     `json:"reactions"`
	// LateP99 is how much later than asked for clients were woken, which is in all times above.
	LateP99 float64 `json:"woken_late_p99_ms"`
	// InServer are the stages of a list within the server, on average: the rest of a list's time is the network's, the
	// queues' and the client's.
	InServer   float64 `json:"rank_in_server_mean_ms"`
	Candidates float64 `json:"candidates"`
	Length     float64 `json:"length"`
	// Errors are requests that failed after all tries. Degraded lists were made with less work, because many were under way.
	Errors   int `json:"errors"`
	Degraded int `json:"degraded"`
	// HiddenServed counts hidden items that were shown: by the server's own count, and by a check of what was shown against
	// what was hidden, of which Hides were acknowledged during the run.
	HiddenServed int `json:"hidden_served"`
	Hides        int `json:"hides"`
	// Written signals were acknowledged; Lost of them the server doesn't count, and Double it counts beyond what was sent.
	// LanesBehind are clients whose lane isn't, at the server, where the client has it.
	Written     int `json:"written"`
	Lost        int `json:"lost"`
	Double      int `json:"double"`
	LanesBehind int `json:"lanes_behind"`
	// Resident memory of the server, and how many processors both sides kept busy.
	RSSBefore   int64   `json:"server_rss_before_bytes"`
	RSSAfter    int64   `json:"server_rss_after_bytes"`
	ServerCores float64 `json:"server_cores"`
	ClientCores float64 `json:"client_cores"`

	Items       int      `json:"items"`
	Users       int      `json:"users"`
	Before      int      `json:"signals_before"`
	Dimensions  int      `json:"dimensions"`
	List        string   `json:"list"`
	Connections int      `json:"connections"`
	Batch       int      `json:"batch"`
	Rate        float64  `json:"rate"`
	Signals     float64  `json:"signal_rate"`
	Seconds     float64  `json:"seconds"`
	SetUp       float64  `json:"set_up_seconds"`
	Settings    []string `json:"server_settings"` // beyond the defaults
	Durability  string   `json:"durability"`
	Shared      bool     `json:"client_and_server_share_the_machine"`
	Machine     Machine  `json:"machine"`
	// Complaints are the first errors, in words; Problems say why the run has failed.
	Complaints []string `json:"complaints"`
	Problems   []string `json:"problems"`
}

// Serve measures a server, in a process of its own, from the other end of its connections: lists in an open loop, signals
// beside them, and how soon a list follows what its user has done.
func Serve(ctx context.Context, o ServeOptions) (*ServeResult, error) {
	if o.Before == 0 {
		o.Before = 5 * o.Items
	}
	kind, ok := rankedList(o.List)
	switch {
	case !ok || !kind.user || kind.subject || kind.filter != nil:
		return nil, fmt.Errorf("serve: %q is no list for a user", o.List)
	case o.Items < 1000 || o.Users < 100:
		return nil, fmt.Errorf("serve: %d items and %d users; there must be 1,000 and 100", o.Items, o.Users)
	case o.Connections < 1 || !(o.Rate > 0) || !(o.Signals > 0) || o.Reactions < 0 || !(o.Seconds > 0):
		return nil, fmt.Errorf("serve: %d connections, %v lists, %v signals and %v reactions a second for %v s",
			o.Connections, o.Rate, o.Signals, o.Reactions, o.Seconds)
	}
	s := &serving{ServeOptions: &o, kind: kind, result: &ServeResult{
		Items: o.Items, Users: o.Users, Before: o.Before, Dimensions: o.Dimensions, List: o.List, Connections: o.Connections,
		Batch: Batch, Rate: o.Rate, Signals: o.Signals, Seconds: o.Seconds, Settings: append([]string{}, o.Settings...), Shared: true, Machine: ThisMachine(),
		Durability: "synced to the disk before the answer; one node", Complaints: []string{}, Problems: []string{},
	}}
	if err := o.inTemp(func(dir string) error { return s.run(ctx, filepath.Join(dir, "tidal")) }); err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return s.result, nil
}

// serving is one run of Serve.
type serving struct {
	*ServeOptions
	kind    *rankedKind
	w       *world
	result  *ServeResult
	history *history
	seen    *hides
	workers []*serveWorker
	server  *serverProcess
}

func (s *serving) run(ctx context.Context, dir string) (err error) {
	if err := s.fill(ctx, dir); err != nil {
		return err
	}
	args := []string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--json"}
	args = append(args, s.Settings...)
	if s.ServerProfile != "" {
		args = append(args, "--pprof")
	}
	if s.server, err = startServer(ctx, &s.Env, args...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.stop()) }()
	for n := range s.Connections {
		// A client with one request at a time has one connection.
		c, err := tidalclient.New(tidalclient.Options{Addr: s.server.URL, Timeout: 30 * time.Second, Attempt: 10 * time.Second})
		if err != nil {
			return err
		}
		defer c.Close()
		s.workers = append(s.workers, newServeWorker(s, c, n))
	}
	return s.measure(ctx)
}

// fill makes the database as the benchmark of lists does, in this process, before there is a server.
func (s *serving) fill(ctx context.Context, dir string) error {
	o := &RankOptions{
		Env: s.Env, Items: s.Items, Users: s.Users, Signals: s.Before, Dimensions: s.Dimensions, Clients: 1, Rate: 1, Seconds: 1,
		Seed: s.Seed,
	}
	s.w = newWorld(o, time.Now().UnixMilli())
	r := &ranking{RankOptions: o, w: s.w, result: &RankResult{}}
	db, err := tidal.Open(dir, s.w.schema(), nil)
	if err != nil {
		return err
	}
	r.db = db
	err = errors.Join(r.load(ctx), db.Close())
	s.result.SetUp = r.result.SetUpSeconds
	s.history = &history{began: time.Now(), w: s.w}
	s.history.decided()
	s.seen = &hides{}
	return err
}

// measure warms up, measures, and looks whether all was in order.
func (s *serving) measure(ctx context.Context) error {
	length := time.Duration(s.Seconds * float64(time.Second))
	before, err := s.workers[0].c.Stats(ctx)
	if err != nil {
		return err
	}
	if err := s.load(ctx, min(length/2, 3*time.Second)); err != nil {
		return err
	}
	for _, w := range s.workers {
		w.reset()
	}
	s.result.RSSBefore = residentOf(s.server.pid())
	profiled := fetchProfile(ctx, s.server.URL, s.ServerProfile, length)
	serverBefore, _ := processorTimeOf(s.server.pid())
	clientBefore, _ := processorTime()
	began := time.Now()
	err = s.load(ctx, length)
	took := time.Since(began)
	serverAfter, _ := processorTimeOf(s.server.pid())
	clientAfter, _ := processorTime()
	if err := errors.Join(err, <-profiled); err != nil {
		return err
	}
	r := s.result
	r.ServerCores = round2((serverAfter - serverBefore).Seconds() / took.Seconds())
	r.ClientCores = round2((clientAfter - clientBefore).Seconds() / took.Seconds())
	r.RSSAfter = residentOf(s.server.pid())
	s.figures(took)
	return s.judge(ctx, before)
}

// load has everything that falls due within a time done.
func (s *serving) load(ctx context.Context, length time.Duration) error {
	plan := newSchedule(length, s.Rate, s.Signals/Batch, s.Reactions)
	return together(len(s.workers), func(n int) error { return s.workers[n].work(ctx, plan) })
}
