package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/workload"
)

// IngestReplicas is [Ingest] over connections: the requests go to the leader of several processes on this machine, which
// is o.Replicas, and in turns with that to one process without peers, which stands among the peers. The processes and
// the connections share the machine's processors.
func IngestReplicas(ctx context.Context, o IngestOptions) (*IngestResult, error) {
	o.fill()
	if o.Replicas < 2 || o.Replicas > 9 || o.Peer != "" {
		return nil, fmt.Errorf("ingest: %d replicas beside the peer %q", o.Replicas, o.Peer)
	}
	r := o.newResult()
	r.InProcess, r.Replicas = false, o.Replicas
	for _, dist := range []workload.Dist{workload.Zipf, workload.Uniform} {
		err := o.inTemp(func(dir string) error {
			run, err := o.runReplicas(ctx, dir, dist)
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

// contender is a database that takes turns with another one.
type contender struct {
	name    string
	f       *fleet.Fleet
	leader  *fleet.Node
	clients clients
	rates   []float64
	full    *hdrhistogram.Histogram
	open    *hdrhistogram.Histogram
	openAt  float64
	// cores are the processors that the leader, the followers together, and this process kept busy.
	cores IngestCores
}

// IngestCores are how many processors were busy with what, on average over the turns.
type IngestCores struct {
	Leader    float64 `json:"leader"`
	Followers float64 `json:"followers"`
	Clients   float64 `json:"clients"`
	// PerSignal is the processor time of all of them together for one signal, in microseconds.
	PerSignal float64 `json:"us_per_signal"`
}

func (o *IngestOptions) runReplicas(ctx context.Context, dir string, dist workload.Dist) (run *IngestRun, err error) {
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: dist, Items: o.Items, Users: o.Users, Cohorts: 2})
	if err != nil {
		return nil, err
	}
	schema := filepath.Join(dir, "schema.yaml")
	if err := os.WriteFile(schema, workload.Schema(false).YAML(), 0o644); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	var both []*contender
	defer func() {
		for _, c := range both {
			err = errors.Join(err, c.clients.close(), c.f.Close())
		}
	}()
	for _, nodes := range []int{o.Replicas, 1} {
		c, err := o.contend(ctx, filepath.Join(dir, fmt.Sprint(nodes)), schema, nodes, w)
		if err != nil {
			return nil, err
		}
		both = append(both, c)
	}
	if err := o.measureBoth(ctx, dist, both); err != nil {
		for _, c := range both {
			err = fmt.Errorf("%w\n%s", err, c.f.Logs())
		}
		return nil, err
	}
	run = both[0].summary(o, w, both[1])
	o.sayf("%s: %.0f signals/s; checking what was acknowledged", dist, run.PerSecond)
	run.Checked, err = o.checkReplicas(ctx, w, both[0])
	return run, err
}

// contend starts servers and connects to their leader.
func (o *IngestOptions) contend(ctx context.Context, dir, schema string, nodes int, w *workload.Workload) (c *contender, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	settings := o.Settings
	if o.ServerProfile != "" {
		settings = append([]string{"--pprof"}, settings...)
	}
	c = &contender{name: "tidal, one process", clients: newClients(w, o.Connections)}
	if nodes > 1 {
		c.name = fmt.Sprintf("tidal, %d replicas", nodes)
		// Who leads at the beginning is measured to the end, also where the machine stands still for longer than an election usually takes.
		settings = append([]string{"--cluster-election-timeout", "2s"}, settings...)
	}
	c.f, err = fleet.Start(ctx, fleet.Options{Dir: dir, Nodes: nodes, Program: o.Program, Schema: schema, Settings: settings})
	if err != nil {
		return nil, err
	}
	if c.leader, err = c.f.Leader(ctx); err == nil {
		err = c.clients.connect(ctx, w, c.leader.URL)
	}
	if err != nil {
		return nil, errors.Join(err, c.f.Close())
	}
	return c, nil
}

// measureBoth lets both take turns, then measures latency.
func (o *IngestOptions) measureBoth(ctx context.Context, dist workload.Dist, both []*contender) error {
	turn := time.Duration(o.Seconds / float64(o.Rounds) * float64(time.Second))
	for round := range o.Rounds {
		for _, c := range both {
			profile := ""
			if c == both[0] && round == o.Rounds-1 && dist == workload.Zipf {
				profile = o.ServerProfile
			}
			rate, err := c.turn(ctx, turn, profile)
			if err != nil {
				return err
			}
			o.sayf("%s, round %d: %s %.0f signals/s", dist, round+1, c.name, rate)
		}
	}
	for _, c := range both {
		c.full = c.clients.merged()
		c.openAt = median(c.rates) / 2
		if err := c.clients.openLoop(ctx, turn, c.openAt); err != nil {
			return err
		}
		c.open = c.clients.merged()
	}
	return nil
}

// turn loads one of them as fast as it goes.
func (c *contender) turn(ctx context.Context, length time.Duration, profile string) (float64, error) {
	profiled := fetchProfile(ctx, c.leader.URL, profile, length)
	before := c.busy()
	began := time.Now()
	rate, err := c.clients.turn(ctx, length)
	after, took := c.busy(), time.Since(began).Seconds()
	if err := errors.Join(err, <-profiled); err != nil {
		return 0, err
	}
	n := float64(len(c.rates))
	mean := func(old, before, after float64) float64 { return round2((old*n + (after-before)/took) / (n + 1)) }
	c.cores = IngestCores{ // PerSignal comes with the summary
		Leader: mean(c.cores.Leader, before.Leader, after.Leader), Followers: mean(c.cores.Followers, before.Followers, after.Followers),
		Clients: mean(c.cores.Clients, before.Clients, after.Clients),
	}
	c.rates = append(c.rates, rate)
	return rate, nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// busy is the processor time so far, in seconds.
func (c *contender) busy() (t IngestCores) {
	for _, n := range c.f.Nodes {
		of, _ := processorTimeOf(n.Pid())
		if n == c.leader {
			t.Leader += of.Seconds()
		} else {
			t.Followers += of.Seconds()
		}
	}
	own, _ := processorTime()
	t.Clients = own.Seconds()
	return t
}

// summary is the part for one distribution, with the other contender as peer.
func (c *contender) summary(o *IngestOptions, w *workload.Workload, other *contender) *IngestRun {
	rate := math.Round(median(other.rates))
	cores := c.cores
	if mean := sum(c.rates) / float64(len(c.rates)); mean > 0 {
		cores.PerSignal = round2((cores.Leader + cores.Followers + cores.Clients) / mean * 1e6)
	}
	run := &IngestRun{
		Dist: w.Config().Dist, Users: true, Cohorts: w.Config().Cohorts, Batch: Batch, Connections: o.Connections,
		PerSecond: math.Round(median(c.rates)), P50: quantile(c.open, 50), P99: quantile(c.open, 99), OpenLoop: math.Round(c.openAt),
		FullP50: quantile(c.full, 50), FullP99: quantile(c.full, 99), Cores: &cores,
		Peers: []Peer{{
			Name: other.name, PerSecond: rate, Durability: "synced to the disk before the answer", Connections: o.Connections,
			ByConnections: map[int]float64{o.Connections: rate}, P50: quantile(other.open, 50), P99: quantile(other.open, 99),
		}},
	}
	if rate > 0 {
		ratio := math.Round(100*run.PerSecond/rate) / 100
		run.Ratio = &ratio
	}
	return run
}

// checkReplicas has a fresh process compare the leader's directory with what was acknowledged, once all replicas have the
// same digest and have stopped in order.
func (o *IngestOptions) checkReplicas(ctx context.Context, w *workload.Workload, c *contender) (Checked, error) {
	if _, err := c.f.Same(ctx); err != nil {
		return Checked{}, err
	}
	if err := c.f.Stop(ctx); err != nil {
		return Checked{}, err
	}
	acks := acknowledged{Config: w.Config(), Batch: Batch}
	for _, x := range c.clients {
		acks.Times = append(acks.Times, x.times)
	}
	return o.compare(ctx, c.leader.Dir, &acks)
}
