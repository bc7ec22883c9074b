package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
)

// The faults of [Failover].
const (
	FaultKill  = "kill"  // SIGKILL of the leader's process
	FaultStall = "stall" // syncs of the leader don't return
)

// FailoverOptions tune [Failover].
type FailoverOptions struct {
	Env
	// Runs is how often a leader fails, 1 or more.
	Runs int
	// Fault is what happens to it: [FaultKill] or [FaultStall].
	Fault string
	// Writers is how many clients write, each with one request at a time; 0 is 8. Batch is how many signals a request has; 0
	// is 8. Pause is how long a client thinks between an answer and its next request.
	Writers, Batch int
	Pause          time.Duration
	// Settings are the servers', as flags of tidal serve.
	Settings []string
}

// FailoverResult is what [Failover] measured.
type FailoverResult struct {
	// The gap of a run: the longest time, from the fault until all clients are served again, in which one client got no
	// acknowledgement, though it went on trying; of all clients the one that waited longest. The percentiles are over the runs,
	// by nearest rank.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Nobody is the time in which no client at all got one.
	NobodyP50 float64 `json:"nobody_p50_ms"`
	NobodyMax float64 `json:"nobody_max_ms"`
	// Quiet is the gap of the time before each fault, in which nothing happened: what of the above is the machine's.
	QuietP50 float64 `json:"quiet_p50_ms"`
	QuietMax float64 `json:"quiet_max_ms"`
	// Acked signals were acknowledged, Unknown ones were under way when the load ended. Lost, Double, Torn and Phantom count
	// requests in all three logs, see fleet.Verdict; Refused are requests that failed for good.
	Acked   int `json:"acked"`
	Unknown int `json:"unknown"`
	Lost    int `json:"lost"`
	Double  int `json:"double"`
	Torn    int `json:"torn"`
	Phantom int `json:"phantom"`
	Refused int `json:"refused"`
	// Back is the time from the end of the fault (the start of the killed process, the disk that goes on) until all three are
	// voters again and say that they are ready.
	BackP50 float64 `json:"back_p50_ms"`
	BackMax float64 `json:"back_max_ms"`
	// Ended counts the processes that ended because their disk had stalled, and were started again.
	Ended int `json:"ended"`
	// Digest is the one that all three have at the end.
	Digest string `json:"digest"`

	Runs       int       `json:"runs"`
	Fault      string    `json:"fault"`
	Replicas   int       `json:"replicas"`
	Writers    int       `json:"writers"`
	Batch      int       `json:"batch"`
	Pause      float64   `json:"pause_ms"`
	PerSecond  float64   `json:"per_second"` // signals acknowledged, over the whole run
	Seconds    float64   `json:"seconds"`
	Gaps       []float64 `json:"gaps_ms"` // run by run
	Settings   []string  `json:"server_settings"`
	Durability string    `json:"durability"`
	Machine    Machine   `json:"machine"`
	// Problems say why the run has failed.
	Problems []string `json:"problems"`
}

// failoverPatience is how long any one step may take.
const failoverPatience = time.Minute

// Failover makes the leader of three processes fail again and again under load, and measures how long clients notice.
func Failover(ctx context.Context, o FailoverOptions) (*FailoverResult, error) {
	if o.Writers == 0 {
		o.Writers = 8
	}
	if o.Batch == 0 {
		o.Batch = 8
	}
	if o.Runs < 1 || o.Fault != FaultKill && o.Fault != FaultStall || o.Writers < 1 || o.Batch < 1 {
		return nil, fmt.Errorf("failover: %d runs of %q, %d writers, %d signals", o.Runs, o.Fault, o.Writers, o.Batch)
	}
	x := &failover{FailoverOptions: &o, r: &FailoverResult{
		Runs: o.Runs, Fault: o.Fault, Replicas: 3, Writers: o.Writers, Batch: o.Batch, Pause: millis(o.Pause), Machine: ThisMachine(),
		Settings: append([]string{}, o.Settings...), Problems: []string{}, Gaps: []float64{},
		Durability: "synced on two of three replicas before the answer; three processes on one machine",
	}}
	began := time.Now()
	if err := o.inTemp(func(dir string) error { return x.run(ctx, dir) }); err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	x.r.Seconds = round2(time.Since(began).Seconds())
	x.r.PerSecond = math.Round(float64(x.r.Acked) / x.r.Seconds)
	return x.r, nil
}

// failover is one run of Failover.
type failover struct {
	*FailoverOptions
	r                         *FailoverResult
	f                         *fleet.Fleet
	load                      *fleet.Load
	gaps, nobody, quiet, back []float64
}

func (x *failover) run(ctx context.Context, dir string) (err error) {
	x.f, err = fleet.Start(ctx, fleet.Options{
		Dir: dir, Nodes: 3, Program: x.Program, Settings: x.Settings, Stalls: x.Fault == FaultStall,
		Launcher: ChildStalled(), Say: x.sayf,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, x.f.Logs())
		}
		err = errors.Join(err, x.f.Close())
	}()
	x.load, err = fleet.StartLoad(ctx, fleet.LoadOptions{Addrs: x.f.URLs(), Writers: x.Writers, Batch: x.Batch, Pause: x.Pause})
	if err != nil {
		return err
	}
	for n := range x.Runs {
		if err := x.once(ctx, n); err != nil {
			_, stopped := x.load.Stop(ctx)
			return errors.Join(fmt.Errorf("run %d: %w", n+1, err), stopped)
		}
	}
	x.figures()
	return x.judge(ctx)
}

// once has the leader fail once.
func (x *failover) once(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, failoverPatience)
	defer cancel()
	leader, err := x.f.Leader(ctx)
	if err != nil {
		return err
	}
	x.load.Measure()
	if err := x.load.Progress(ctx, quietRequests); err != nil {
		return err
	}
	quiet := x.load.Gap()
	x.load.Measure()
	if err := x.fail(ctx, leader); err != nil {
		return err
	}
	if err := x.load.Progress(ctx, servedAgain); err != nil {
		return err
	}
	gap := x.load.Gap()
	back, err := x.mend(ctx, leader)
	if err != nil {
		return err
	}
	x.gaps = append(x.gaps, millis(gap.Client))
	x.nobody = append(x.nobody, millis(gap.Any))
	x.quiet = append(x.quiet, millis(quiet.Client))
	x.back = append(x.back, millis(back))
	x.sayf("run %d: node %s, %s: %.0f ms without an answer; %.0f ms before, without a fault; whole again after %.0f ms", n+1,
		leader.Name, x.Fault, millis(gap.Client), millis(quiet.Client), millis(back))
	return nil
}

const (
	// quietRequests is how many requests each client gets through before a fault.
	quietRequests = 30
	// servedAgain is how many answers each client has to get until it's served again: more than one, since what was under
	// way may be answered by a leader that is about to fail.
	servedAgain = 10
)

func (x *failover) fail(ctx context.Context, leader *fleet.Node) error {
	if x.Fault == FaultKill {
		return leader.Kill()
	}
	disk := leader.Disk()
	disk.Stall()
	select {
	case <-disk.Bitten():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a sync that stalls: %w", context.Cause(ctx))
	}
}

// mend ends the fault and returns how long it took until the group was whole.
func (x *failover) mend(ctx context.Context, failed *fleet.Node) (time.Duration, error) {
	began := time.Now()
	if x.Fault == FaultStall {
		failed.Disk().Resume()
	}
	err := failed.Ready(ctx)
	if !failed.Running() {
		if x.Fault == FaultStall {
			x.r.Ended++
		}
		err = failed.Start(ctx)
	}
	if err != nil {
		return 0, err
	}
	err = x.f.Whole(ctx)
	return time.Since(began), err
}

func (x *failover) figures() {
	r := x.r
	r.Gaps = x.gaps
	r.P50, r.P99, r.Max = rank(x.gaps, 50), rank(x.gaps, 99), rank(x.gaps, 100)
	r.NobodyP50, r.NobodyMax = rank(x.nobody, 50), rank(x.nobody, 100)
	r.QuietP50, r.QuietMax = rank(x.quiet, 50), rank(x.quiet, 100)
	r.BackP50, r.BackMax = rank(x.back, 50), rank(x.back, 100)
}

// judge holds what was acknowledged against what all three have.
func (x *failover) judge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*failoverPatience)
	defer cancel()
	ledger, err := x.load.Stop(ctx)
	if err != nil {
		return err
	}
	x.sayf("comparing what was acknowledged with all three logs")
	v, err := x.f.Compare(ctx, ledger)
	if err != nil {
		return err
	}
	r := x.r
	r.Acked, r.Unknown, r.Refused = v.Acked*x.Batch, v.Unknown*x.Batch, ledger.Count(fleet.Refused)
	r.Lost, r.Double, r.Torn, r.Phantom, r.Digest = v.Lost, v.Double, v.Torn, v.Phantom, v.Digest
	r.Problems = append(append(r.Problems, v.Problems...), ledger.Errors...)
	return nil
}

// rank is the percentile by nearest rank: the smallest value that at least q of a hundred don't exceed. 0 for none.
func rank(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q/100*float64(len(sorted))))-1)]
}

// millis returns milliseconds, to a hundredth.
func millis(d time.Duration) float64 { return round2(float64(d) / float64(time.Millisecond)) }
