package bench

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/ranker"
	rec "github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/workload"
	"github.com/tidaldb/tidal/schema"
)

// BenchmarkApplySides is what two regions do after a partition, without anything but apply: each has TIDAL_PER_SIDE
// signals of the benchmarks' workload (200,000 if that isn't set) of the same half minute, applies its own and then the
// other's. The figures are processor time per signal, which other programs on the machine disturb least.
//
//	go test ./internal/bench -run '^$' -bench ApplySides -benchtime 1x -count 5
func BenchmarkApplySides(b *testing.B) {
	for name, c := range map[string]workload.Config{
		"users":         {Users: 1_000_000},
		"users+cohorts": {Users: 1_000_000, Cohorts: 2},
		"without users": {},
	} {
		c.Seed, c.Dist, c.Items = 1, workload.Zipf, 1_000_000
		b.Run(name, func(b *testing.B) { applySides(b, c) })
	}
}

func applySides(b *testing.B, c workload.Config) {
	perSide := 200_000
	if text := os.Getenv("TIDAL_PER_SIDE"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		perSide = n
	}
	w, err := workload.New(c)
	if err != nil {
		b.Fatal(err)
	}
	s := workload.Schema(false)
	first, own := stamped(b, w, s, 1, perSide)
	_, other := stamped(b, w, s, 2, perSide)
	var spent [2]time.Duration
	for b.Loop() {
		e := engine.New(engine.Config{Origin: id.Origin{Region: 1}, Views: ranker.NewViews()})
		for side, batches := range [][][]byte{own, other} {
			if side == 0 {
				applyAll(b, e, first)
			}
			before, ok := processorTime()
			applyAll(b, e, batches)
			after, _ := processorTime()
			if !ok {
				b.Skip("this system doesn't say what processor time a process took")
			}
			spent[side] += after - before
		}
	}
	n := float64(b.N) * float64(perSide)
	b.ReportMetric(float64(spent[0])/n, "own-ns/signal")
	b.ReportMetric(float64(spent[1])/n, "other-ns/signal")
}

func applyAll(b *testing.B, e *engine.Engine, batches [][]byte) {
	for _, data := range batches {
		if got, err := e.Apply(data); err != nil || got.Outcome != engine.Applied {
			b.Fatal(got, err)
		}
	}
}

// stamped are a region's batches of 512 signals, and for the first region what comes before them: the schema, which is
// sequence number 1 of it.
func stamped(b *testing.B, w *workload.Workload, s *schema.Schema, region id.Region, n int) (first, all [][]byte) {
	const perBatch, began, took = 512, int64(1_700_000_000_000), int64(30_000)
	builder := rec.NewBuilder()
	seq := id.Seq(1)
	finish := func(schemaHash schema.Hash, at int64, records []rec.Proposed) []byte {
		head := rec.Head{
			Origin: id.Origin{Region: region}, First: seq, Timestamp: uint64(at) * 1e6, Base: hlc.Make(at, 0),
			Schema: schemaHash, Level: 1,
		}
		if err := builder.Reset(head); err != nil {
			b.Fatal(err)
		}
		for i := range records {
			m := rec.Meta{Time: records[i].Time, HLC: hlc.Make(at, uint16(i))}
			if err := builder.AddProposed(&m, &records[i]); err != nil {
				b.Fatal(err)
			}
			seq++
		}
		data, err := builder.Finish(nil)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	if region == 1 {
		first = [][]byte{finish(schema.Hash{}, began, []rec.Proposed{{
			Kind: rec.KindSchemaVersion, Time: began, HasTime: true, Schema: rec.SchemaVersion{Encoded: s.Encode()},
		}})}
	}
	source := w.Source(int(region))
	events := make([]workload.Event, perBatch)
	records := make([]rec.Proposed, perBatch)
	for done := 0; done < n; done += perBatch {
		now := began + took*int64(done)/int64(n)
		source.Next(now, events)
		for i, e := range events {
			var cohorts []string
			if w.Config().Cohorts > 0 {
				cohorts = w.Cohorts(e.User)
			}
			records[i] = rec.Proposed{Kind: rec.KindSignal, Time: e.Time, HasTime: true, Signal: rec.Signal{
				Type: uint16(e.Type), Weight: fixed.One, Item: w.Item(e.Item), User: w.User(e.User), Cohorts: cohorts,
			}}
		}
		all = append(all, finish(s.Hash(), now, records))
	}
	return first, all
}
