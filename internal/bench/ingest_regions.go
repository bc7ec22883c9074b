package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/cluster"
	"github.com/tidaldb/tidal/internal/workload"
)

// IngestRegions is [Ingest] in several regions at once: o.Regions databases of one member each, in this process, connected over
// loopback. Each connection writes to one of the regions; what counts is what all of them have. o.Peer must be empty. With
// o.Processes each region is a process, and connections are TCP connections to it.
func IngestRegions(ctx context.Context, o IngestOptions) (*IngestResult, error) {
	o.fill()
	if o.Regions < 2 || o.Regions > 9 || o.Peer != "" {
		return nil, fmt.Errorf("ingest: %d regions beside the peer %q", o.Regions, o.Peer)
	}
	r := o.newResult()
	r.Regions, r.InProcess = o.Regions, !o.Processes
	for _, dist := range []workload.Dist{workload.Zipf, workload.Uniform} {
		err := o.inTemp(func(dir string) error {
			run, err := o.runRegions(ctx, dir, dist)
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
	r.IngestLag = r.Runs[0].IngestLag
	return r, nil
}

// IngestLag is how long after a request was acknowledged in its region the last of the others had it, in milliseconds.
type IngestLag struct {
	// LagP50 and LagP99 are of requests in the open loop, at half of what was measured; the others of requests at full load.
	LagP50     float64 `json:"lag_p50_ms"`
	LagP99     float64 `json:"lag_p99_ms"`
	LagFullP50 float64 `json:"full_load_lag_p50_ms"`
	LagFullP99 float64 `json:"full_load_lag_p99_ms"`
}

// regions is several regions' members and the clients that write to them.
type regions struct {
	*IngestOptions
	w       *workload.Workload
	ground  ground
	clients clients
	samples sampler
}

// ground is where regions run.
type ground interface {
	// open starts them and returns one member of each, and has clients write to them, the first one to the first region, and so on.
	open(ctx context.Context, dir string, s *regions) ([]region, error)
	// same fails unless all have the same digest.
	same(ctx context.Context) error
	// close stops what was opened, in order.
	close(ctx context.Context) error
	// last is the directory of the last region.
	last() string
}

// region is what a region's member answers.
type region interface {
	// token names what it has, and wait returns once it has what a token names.
	token(ctx context.Context) (string, error)
	wait(ctx context.Context, token string) error
}

func (o *IngestOptions) runRegions(ctx context.Context, dir string, dist workload.Dist) (run *IngestRun, err error) {
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: dist, Items: o.Items, Users: o.Users, Cohorts: 2})
	if err != nil {
		return nil, err
	}
	s := &regions{IngestOptions: o, w: w, ground: &members{}}
	if o.Processes {
		s.ground = &servers{}
	}
	run, err = s.measure(ctx, dir)
	if err == nil {
		err = s.ground.same(ctx)
	}
	if err := errors.Join(err, s.clients.close(), s.ground.close(ctx)); err != nil {
		return nil, err
	}
	o.sayf("%s: %.0f signals/s in all of %d regions; checking what was acknowledged", dist, run.PerSecond, o.Regions)
	acks := acknowledged{Config: w.Config(), Batch: Batch}
	for _, c := range s.clients {
		acks.Times = append(acks.Times, c.times)
	}
	run.Checked, err = o.compare(ctx, s.ground.last(), &acks)
	return run, err
}

// measure opens the regions, takes turns at full load and one in an open loop.
func (s *regions) measure(ctx context.Context, dir string) (*IngestRun, error) {
	s.clients = newClients(s.w, s.Connections)
	all, err := s.ground.open(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	turn := time.Duration(s.Seconds / float64(s.Rounds) * float64(time.Second))
	s.samples.start(all)
	defer s.samples.stop()
	var rates []float64
	for round := range s.Rounds {
		rate, err := s.turn(ctx, turn)
		if err != nil {
			return nil, err
		}
		rates = append(rates, rate)
		s.sayf("%s, round %d: %.0f signals/s in all regions", s.w.Config().Dist, round+1, rate)
	}
	run := &IngestRun{
		Dist: s.w.Config().Dist, Users: true, Cohorts: s.w.Config().Cohorts, Batch: Batch, Connections: s.Connections,
		PerSecond: math.Round(median(rates)), OpenLoop: math.Round(median(rates) / 2), Peers: []Peer{}, IngestLag: &IngestLag{},
	}
	full := s.clients.merged()
	run.FullP50, run.FullP99 = quantile(full, 50), quantile(full, 99)
	if run.LagFullP50, run.LagFullP99, err = s.samples.take(); err != nil {
		return nil, err
	}
	if err := s.clients.openLoop(ctx, turn, median(rates)/2); err != nil {
		return nil, err
	}
	open := s.clients.merged()
	run.P50, run.P99 = quantile(open, 50), quantile(open, 99)
	if err := s.everywhere(ctx); err != nil {
		return nil, err
	}
	run.LagP50, run.LagP99, err = s.samples.take()
	return run, err
}

// turn lets all clients write as fast as they can, and returns the signals a second that all regions had in the end.
func (s *regions) turn(ctx context.Context, length time.Duration) (float64, error) {
	before, began := s.clients.acknowledged(), time.Now()
	if _, err := s.clients.turn(ctx, length); err != nil {
		return 0, err
	}
	if err := s.everywhere(ctx); err != nil {
		return 0, err
	}
	return float64(s.clients.acknowledged()-before) / time.Since(began).Seconds(), nil
}

// everywhere waits until every region has what every other one has now.
func (s *regions) everywhere(ctx context.Context) error {
	for _, from := range s.samples.regions {
		token, err := from.token(ctx)
		if err != nil {
			return err
		}
		for n, other := range s.samples.regions {
			if err := other.wait(ctx, token); err != nil {
				return fmt.Errorf("wait for what the others have in region %d: %w", n, err)
			}
		}
	}
	return nil
}

// members are regions in this process.
type members struct {
	all []*cluster.Member
	dir string
}

// open implements ground. The first region is home.
func (g *members) open(ctx context.Context, dir string, s *regions) (all []region, err error) {
	g.dir = dir
	var join []string
	for n := range s.Regions {
		m, err := cluster.Start(cluster.Config{
			Dir: g.at(n), Schema: workload.Schema(false), Listen: "127.0.0.1:0", Region: fmt.Sprint("region-", n),
			RegionJoin: join,
		})
		if err != nil {
			return nil, fmt.Errorf("start region %d: %w", n, err)
		}
		g.all, join, all = append(g.all, m), append(join, m.Address()), append(all, member{m.DB()})
		if err := m.Ready(ctx); err != nil {
			return nil, fmt.Errorf("region %d: %w", n, err)
		}
	}
	for n, c := range s.clients {
		db := g.all[n%s.Regions].DB()
		var records []tidal.Record
		c.send = func(ctx context.Context, number uint64, events []workload.Event) error {
			records = asRecords(s.w, events, records)
			got, err := db.Write(ctx, tidal.Request{Lane: c.lane, Number: number, Records: records})
			if err != nil {
				return err
			}
			s.samples.offer(n%s.Regions, got.Token)
			return c.isNew(number, got.Duplicate, got.Clamped)
		}
	}
	return all, nil
}

func (g *members) at(n int) string { return filepath.Join(g.dir, fmt.Sprint("region-", n)) }

// last implements ground.
func (g *members) last() string { return g.at(len(g.all) - 1) }

// same implements ground.
func (g *members) same(context.Context) error {
	for n, m := range g.all[1:] {
		if a, b := g.all[0].DB().Digest(), m.DB().Digest(); a != b {
			return fmt.Errorf("region %d has digest %v, and region 0 has %v", n+1, b, a)
		}
	}
	return nil
}

// close implements ground.
func (g *members) close(ctx context.Context) error {
	var errs []error
	for _, m := range g.all {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

// member is a region's member in this process.
type member struct{ db *tidal.DB }

// token implements region.
func (m member) token(context.Context) (string, error) { return m.db.Token(), nil }

// wait implements region.
func (m member) wait(ctx context.Context, token string) error { return m.db.Wait(ctx, token) }

// sampler takes the lag of some requests: how long after they were acknowledged the last region has them.
type sampler struct {
	regions []region
	in      chan sample
	done    sync.WaitGroup
	due     atomic.Int64 // when the next request is taken, in Unix nanoseconds

	mu   sync.Mutex
	took *hdrhistogram.Histogram
	err  error
}

type sample struct {
	token string
	acked time.Time
	other int // a region that is to have it
	last  *atomic.Int64
	left  *atomic.Int32
}

// sampleEvery is how often a request is taken, and samplers how many are waited for at a time in each region.
const (
	sampleEvery = 10 * time.Millisecond
	samplers    = 512
)

func (s *sampler) start(all []region) {
	s.regions, s.in, s.took = all, make(chan sample, samplers*len(all)), newHistogram()
	for range samplers * len(all) {
		s.done.Go(s.run)
	}
}

func (s *sampler) stop() {
	close(s.in)
	s.done.Wait()
}

// offer takes a request that was just acknowledged in a region, if one is due and there's room.
func (s *sampler) offer(region int, token func() string) {
	now := time.Now()
	due := s.due.Load()
	if now.UnixNano() < due || !s.due.CompareAndSwap(due, now.Add(sampleEvery).UnixNano()) {
		return
	}
	x := sample{token: token(), acked: now, last: new(atomic.Int64), left: new(atomic.Int32)}
	x.left.Store(int32(len(s.regions) - 1))
	for n := range s.regions {
		if x.other = n; n != region {
			s.in <- x
		}
	}
}

func (s *sampler) run() {
	for x := range s.in {
		err := s.regions[x.other].wait(context.Background(), x.token)
		took := time.Since(x.acked).Nanoseconds()
		for last := x.last.Load(); took > last && !x.last.CompareAndSwap(last, took); {
			last = x.last.Load()
		}
		if x.left.Add(-1) > 0 && err == nil {
			continue
		}
		s.mu.Lock()
		if s.err == nil {
			s.err = err
		}
		_ = s.took.RecordValue(min(x.last.Load(), s.took.HighestTrackableValue()))
		s.mu.Unlock()
	}
}

// take returns two quantiles of what was sampled, in milliseconds, and begins anew.
func (s *sampler) take() (p50, p99 float64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p50, p99, err = quantile(s.took, 50)/1000, quantile(s.took, 99)/1000, s.err
	if s.took.TotalCount() == 0 {
		err = errors.Join(err, errors.New("no request was sampled"))
	}
	s.took = newHistogram()
	return p50, p99, err
}
