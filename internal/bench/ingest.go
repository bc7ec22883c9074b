package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal/internal/workload"
)

// IngestOptions tune [Ingest].
type IngestOptions struct {
	Env
	// Seconds is how long tidal, and each number of connections of the peer, is measured per distribution.
	Seconds float64
	// Rounds is into how many turns that time is cut; rates are the medians over the rounds. 0 is 3.
	Rounds int
	// Items and Users are how many there are, 1 to 1,048,576; 0 is 1,000,000.
	Items, Users int
	// Connections is how many requests are under way at once in tidal; 0 is 64.
	Connections int
	// Peer is "redis", or "" for none.
	Peer string
	// Seed is the workload's.
	Seed uint64
	// Replicas is how many processes [IngestReplicas] starts, 2 to 9; Settings are theirs, as flags of tidal serve, and
	// ServerProfile is the file for a CPU profile of the leader, empty for none.
	Replicas      int
	Settings      []string
	ServerProfile string
	// Regions is how many [IngestRegions] runs, 2 to 9; with Processes each is a process.
	Regions   int
	Processes bool
}

// fill puts in what was left out.
func (o *IngestOptions) fill() {
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Items == 0 {
		o.Items = 1_000_000
	}
	if o.Users == 0 {
		o.Users = 1_000_000
	}
	if o.Connections == 0 {
		o.Connections = 64
	}
}

func (o *IngestOptions) newResult() *IngestResult {
	return &IngestResult{
		FSync: true, Seconds: o.Seconds, Rounds: o.Rounds, InProcess: true, Items: o.Items, Users: o.Users,
		Replicas: 1, Machine: ThisMachine(),
	}
}

// Batch is the number of signals of a request, and of a peer's pipeline.
const Batch = 64

// IngestResult is what [Ingest] measured. The first level repeats the first run, which is the Zipf one.
type IngestResult struct {
	PerSecond float64 `json:"per_second"` // signals
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	FSync     bool    `json:"fsync"` // every request was synced before it was acknowledged
	// Ratio is tidal's rate over the best peer's; null without one.
	Ratio   *float64    `json:"ratio"`
	Runs    []IngestRun `json:"runs"`
	Seconds float64     `json:"seconds"`
	Rounds  int         `json:"rounds"`
	// InProcess: connections are goroutines that call DB.Write. The peer's are TCP connections to its process, and so are
	// those of several replicas, to their leader, and of regions that are processes.
	InProcess bool `json:"in_process"`
	Replicas  int  `json:"replicas"`
	// Regions is how many regions all of it was written and shipped between, 0 without any; the rate is what all of them had.
	Regions int `json:"regions,omitempty"`
	// Lag is between regions.
	*IngestLag
	Items   int     `json:"items"`
	Users   int     `json:"users_known"`
	Machine Machine `json:"machine"`
	Checked
}

// IngestRun is the part for one distribution.
type IngestRun struct {
	Dist        workload.Dist `json:"dist"`
	Users       bool          `json:"users"`
	Cohorts     int           `json:"cohorts"`
	Batch       int           `json:"batch"`
	Connections int           `json:"connections"`
	PerSecond   float64       `json:"per_second"`
	// P50 and P99 are of whole requests in an open loop: requests fall due at OpenLoop signals per second, half of what was
	// measured, whatever the answers do, and a request's time begins when it was due.
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	OpenLoop float64 `json:"open_loop_per_second"`
	// FullP50 and FullP99 are of requests at full load: mostly the time in the queue.
	FullP50 float64  `json:"full_load_p50_us"`
	FullP99 float64  `json:"full_load_p99_us"`
	Peers   []Peer   `json:"peers"`
	Ratio   *float64 `json:"ratio"`
	// Cores are what several replicas and the connections kept busy at full load.
	Cores *IngestCores `json:"cores,omitempty"`
	// Lag is between regions, where there are several.
	*IngestLag
	Checked
}

// Peer is another system's rate at the same work.
type Peer struct {
	Name       string  `json:"name"`
	Version    string  `json:"version"`
	PerSecond  float64 `json:"per_second"` // at the best number of connections
	Durability string  `json:"durability"`
	// Connections is that number; ByConnections has the rates at all that were tried.
	Connections   int             `json:"connections"`
	ByConnections map[int]float64 `json:"by_connections"`
	// P50 and P99 are of requests in an open loop at half its rate, where that was measured.
	P50 float64 `json:"p50_us,omitempty"`
	P99 float64 `json:"p99_us,omitempty"`
}

// Ingest measures durable writes of 64 signals a request, each with a user and two cohorts, drawn by Zipf's law and
// uniformly. A peer that can't be had is said so and left out.
func Ingest(ctx context.Context, o IngestOptions) (*IngestResult, error) {
	o.fill()
	r := o.newResult()
	server := ""
	if o.Peer == "redis" {
		path, err := FindRedis()
		if err != nil {
			o.sayf("the peer is left out: %v", err)
		}
		server = path
	}
	for _, dist := range []workload.Dist{workload.Zipf, workload.Uniform} {
		err := o.inTemp(func(dir string) error {
			run, err := o.run(ctx, dir, dist, server)
			if err != nil {
				return err
			}
			r.add(run)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("ingest, %s: %w", dist, err)
		}
	}
	return r, nil
}

// add puts a distribution's part in. The first one is the result's.
func (r *IngestResult) add(run *IngestRun) {
	if len(r.Runs) == 0 {
		r.PerSecond, r.P50, r.P99, r.Ratio = run.PerSecond, run.P50, run.P99, run.Ratio
	}
	r.Runs = append(r.Runs, *run)
	r.Checked.Add(run.Checked)
}

func (o *IngestOptions) run(ctx context.Context, dir string, dist workload.Dist, server string) (run *IngestRun, err error) {
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: dist, Items: o.Items, Users: o.Users, Cohorts: 2})
	if err != nil {
		return nil, err
	}
	s := &ingest{IngestOptions: o, w: w, dir: filepath.Join(dir, "tidal"), peer: map[int][]float64{}}
	if server != "" {
		s.redis, err = StartRedis(ctx, server, filepath.Join(dir, "redis"))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.redis.Stop()) }()
	}
	if err := s.measure(ctx); err != nil {
		return nil, err
	}
	run = s.summary(dist)
	o.sayf("%s: %.0f signals/s; checking what was acknowledged", dist, run.PerSecond)
	run.Checked, err = s.check(ctx)
	return run, err
}

// ingest is one distribution's run.
type ingest struct {
	*IngestOptions
	w       *workload.Workload
	dir     string
	redis   *Redis
	clients clients
	rates   []float64
	peer    map[int][]float64 // rates of the rounds by connections
	full    *hdrhistogram.Histogram
	open    *hdrhistogram.Histogram
	openAt  float64
}

// measure takes turns, then measures latency, and closes the database.
func (s *ingest) measure(ctx context.Context) (err error) {
	db, err := s.openDB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	turn := time.Duration(s.Seconds / float64(s.Rounds) * float64(time.Second))
	for round := range s.Rounds {
		rate, err := s.clients.turn(ctx, turn)
		if err != nil {
			return err
		}
		s.rates = append(s.rates, rate)
		s.sayf("%s, round %d: tidal %.0f signals/s", s.w.Config().Dist, round+1, rate)
		if s.redis == nil {
			continue
		}
		for _, connections := range peerConnections() {
			rate, err := s.redis.Load(ctx, s.w, connections, turn)
			if err != nil {
				return err
			}
			s.peer[connections] = append(s.peer[connections], rate)
			s.sayf("%s, round %d: redis %.0f signals/s on %d connections", s.w.Config().Dist, round+1, rate, connections)
		}
	}
	s.full = s.clients.merged()
	s.openAt = median(s.rates) / 2
	if err := s.clients.openLoop(ctx, turn, s.openAt); err != nil {
		return err
	}
	s.open = s.clients.merged()
	return nil
}

// peerConnections are the numbers of connections of which the peer's best counts.
func peerConnections() []int { return []int{1, 8, 64} }

func (s *ingest) summary(dist workload.Dist) *IngestRun {
	run := &IngestRun{
		Dist: dist, Users: true, Cohorts: s.w.Config().Cohorts, Batch: Batch, Connections: s.Connections,
		PerSecond: math.Round(median(s.rates)), P50: quantile(s.open, 50), P99: quantile(s.open, 99), OpenLoop: math.Round(s.openAt),
		FullP50: quantile(s.full, 50), FullP99: quantile(s.full, 99), Peers: []Peer{},
	}
	if s.redis == nil {
		return run
	}
	p := Peer{
		Name: "redis", Version: s.redis.Version, Durability: "appendfsync always", ByConnections: map[int]float64{},
	}
	for _, connections := range peerConnections() {
		rate := math.Round(median(s.peer[connections]))
		p.ByConnections[connections] = rate
		if rate > p.PerSecond {
			p.PerSecond, p.Connections = rate, connections
		}
	}
	run.Peers = append(run.Peers, p)
	if p.PerSecond > 0 {
		ratio := math.Round(100*run.PerSecond/p.PerSecond) / 100
		run.Ratio = &ratio
	}
	return run
}

// median returns the middle of rates, the mean of the two middle ones when their number is even, 0 for none.
func median(rates []float64) float64 {
	if len(rates) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(rates))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile returns microseconds, to a tenth.
func quantile(h *hdrhistogram.Histogram, q float64) float64 {
	return math.Round(float64(h.ValueAtQuantile(q))/100) / 10
}
