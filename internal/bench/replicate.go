package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

// ReplicateOptions tune [Replicate].
type ReplicateOptions struct {
	Env
	// Samples is how many signals are followed, one after the other, 1 to 1,000,000.
	Samples int
	// RoundTrip is how long the network between the regions takes there and back, beside its own time; 0 has them exchange
	// frames within the process.
	RoundTrip time.Duration
	// Pause is the time between two samples.
	Pause time.Duration
	Seed  uint64
}

// ReplicateResult is what [Replicate] measured.
type ReplicateResult struct {
	// P50, P99 and Max are of the time from when a signal was acknowledged in its region until it is visible in the other one.
	// Of one that is visible there before it is acknowledged here, it's 0.
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`
	// WriteP50 and WriteP99 are of the time from the call until it is acknowledged.
	WriteP50     float64 `json:"write_p50_us"`
	WriteP99     float64 `json:"write_p99_us"`
	Samples      int     `json:"samples"`
	RoundTrip    float64 `json:"rtt_ms"`
	InProcess    bool    `json:"in_process"`
	DigestsEqual bool    `json:"digests_equal"`
	Durability   string  `json:"durability"`
	Machine      Machine `json:"machine"`
}

// Replicate writes signals in one region, one after the other, and measures how long after its acknowledgement each is visible
// in the other.
func Replicate(ctx context.Context, o ReplicateOptions) (r *ReplicateResult, err error) {
	if o.Samples < 1 || o.Samples > 1_000_000 || o.RoundTrip < 0 || o.Pause < 0 {
		return nil, fmt.Errorf("replicate: %d samples, a round trip of %v", o.Samples, o.RoundTrip)
	}
	err = o.inTemp(func(dir string) error {
		r, err = o.run(ctx, dir)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("replicate: %w", err)
	}
	return r, nil
}

func (o *ReplicateOptions) run(ctx context.Context, dir string) (_ *ReplicateResult, err error) {
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: workload.Zipf, Items: 10_000, Users: 10_000})
	if err != nil {
		return nil, err
	}
	rtt := o.RoundTrip
	if rtt == 0 {
		rtt = -1
	}
	regions, err := openTwoRegions(ctx, dir, workload.Schema(false), rtt)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := regions.close(); err == nil {
			err = cerr
		}
	}()
	lag, write := hdrhistogram.New(1, 60_000_000, 3), hdrhistogram.New(1, 60_000_000, 3)
	source := w.Source(0)
	events := make([]workload.Event, 1)
	for range o.Samples {
		source.Next(time.Now().UnixMilli(), events)
		took, visible, err := follow(ctx, regions, asSignal(w, &events[0]))
		if err != nil {
			return nil, err
		}
		_ = write.RecordValue(max(1, took.Microseconds()))
		_ = lag.RecordValue(max(1, visible.Microseconds()))
		if o.Pause > 0 {
			rest := time.NewTimer(o.Pause)
			select {
			case <-rest.C:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	if err := regions.agree(ctx, patience); err != nil {
		return nil, err
	}
	us := func(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) }
	return &ReplicateResult{
		P50: us(lag, 50), P99: us(lag, 99), Max: float64(lag.Max()), WriteP50: us(write, 50), WriteP99: us(write, 99),
		Samples: o.Samples, RoundTrip: millis(o.RoundTrip), InProcess: o.RoundTrip == 0, Machine: ThisMachine(),
		DigestsEqual: regions.db[0].Digest() == regions.db[1].Digest(),
		Durability:   "synced in each region before it is visible there",
	}, nil
}

// follow writes one signal, and returns how long that took and how much later it was visible in the other region.
func follow(ctx context.Context, regions *twoRegions, s tidal.Signal) (took, visible time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	if _, err := regions.db[0].Signal(ctx, s); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	began = time.Now()
	if err := regions.db[1].Wait(ctx, regions.db[0].Token()); err != nil {
		return 0, 0, err
	}
	return took, time.Since(began), nil
}
