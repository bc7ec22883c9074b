package host_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seed returns the seed of the random tests: TIDAL_SEED, or a new one, which is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	return testseed.Of(t)
}

func testSchema() *schema.Schema {
	s := &schema.Schema{Name: "test", Signals: []schema.SignalType{
		{Name: "view", Meaning: schema.Positive, Seen: true, HalfLives: []time.Duration{time.Hour}},
	}}
	if err := s.Validate(); err != nil {
		panic(err)
	}
	return s
}

// open opens a replica and gives a new one the test schema.
func open(opts host.Options) (*host.Replica, error) {
	r, err := host.Open(context.Background(), opts)
	if err != nil || opts.ReadOnly {
		return r, err
	}
	if _, hash := currentSchema(r); hash != (schema.Hash{}) {
		return r, nil
	}
	records := []record.Proposed{
		{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
		{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: testSchema().Encode()}},
	}
	_, err = r.Write(context.Background(), &replica.Request{Records: records, Content: record.ContentHash(records)})
	if err != nil {
		err = errors.Join(err, r.Close())
	}
	return r, err
}

// smallSegment is the size of a log file where a test doesn't say another one: new files are filled with zeros, and in memory 16 MiB of
// them take longer than all the rest.
const smallSegment = 1 << 20

func mustOpen(t *testing.T, opts host.Options) *host.Replica {
	t.Helper()
	if opts.SegmentBytes == 0 && opts.FS != nil {
		opts.SegmentBytes = smallSegment
	}
	r, err := open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustClose(t *testing.T, r *host.Replica) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func currentSchema(r *host.Replica) (s *schema.Schema, hash schema.Hash) {
	_ = r.Read(func(e *engine.Engine) error {
		s, hash = e.Schema()
		return nil
	})
	return s, hash
}

func views(user, item string, n int) []record.Proposed {
	out := make([]record.Proposed, n)
	for i := range out {
		out[i] = record.Proposed{Kind: record.KindSignal, Signal: record.Signal{
			Weight: 1 << 24, Item: item,
			User: user,
		}}
	}
	return out
}

// write writes n views of an item by a user, under a lane if producer isn't empty.
func write(ctx context.Context, r *host.Replica, producer string, number uint64, item string, n int) (replica.Receipt,
	error,
) {
	s, hash := currentSchema(r)
	records := views(userOf(item), item, n)
	req := &replica.Request{
		Producer: producer, Number: number, Records: records, Schema: hash, Content: record.ContentHash(records),
	}
	if err := replica.Check(req, s); err != nil {
		return replica.Receipt{}, err
	}
	receipt, err := r.Write(ctx, req)
	return receipt.Receipt, err
}

// userOf says who views an item.
func userOf(item string) string {
	sum := 0
	for _, c := range item {
		sum = (sum*31 + int(c)) % 9
	}
	return fmt.Sprintf("ada %d", sum)
}

// seen reports whether it shows at the user that an item was viewed.
func seen(t *testing.T, r *host.Replica, item string) bool {
	t.Helper()
	var m algebra.PairMarks
	err := r.ReadUser(context.Background(), userOf(item), func(e *engine.Engine) (err error) {
		m, err = e.Marks(userOf(item), item)
		return err
	})
	if err != nil {
		t.Fatalf("read %s: %v", userOf(item), err)
	}
	return !m.Seen.IsZero()
}

func mustWrite(t *testing.T, r *host.Replica, item string) replica.Receipt {
	t.Helper()
	receipt, err := write(context.Background(), r, "", 0, item, 1)
	if err != nil {
		t.Fatalf("write %s: %v", item, err)
	}
	return receipt
}

// total is how often an item was viewed.
func total(t *testing.T, r *host.Replica, item string) int {
	t.Helper()
	var cell algebra.SignalState
	err := r.Read(func(e *engine.Engine) error {
		_, err := e.ReadCell(item, "view", &cell)
		return err
	})
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		t.Fatalf("read %s: %v", item, err)
	}
	return int(cell.Total())
}

func counters(r *host.Replica) (c engine.Counters) {
	_ = r.Read(func(e *engine.Engine) error {
		c = e.Counters()
		return nil
	})
	return c
}

func digest(r *host.Replica) state.Digest {
	d, err := r.Digest()
	if err != nil {
		panic(err)
	}
	return d
}

// claim is one request of a test and what is known of it.
type claim struct {
	producer string
	number   uint64
	item     string
	n        int
	acked    bool
}

func (c *claim) String() string {
	return fmt.Sprintf("%s (%s/%d, %d records)", c.item, c.producer, c.number, c.n)
}

// verify holds a replica against claims: what was acknowledged is there, whole, and what wasn't is there whole or not
// at all; lanes have no holes; and nothing else is there.
func verify(t *testing.T, r *host.Replica, claims []claim) {
	t.Helper()
	signals := 0
	missing := map[string]string{}
	for i := range claims {
		c := &claims[i]
		got := total(t, r, c.item)
		signals += got
		if got != 0 != seen(t, r, c.item) {
			t.Fatalf("%v counts %d times, and at the user it doesn't show so", c, got)
		}
		switch {
		case got != 0 && got != c.n:
			t.Fatalf("%v counts %d times", c, got)
		case got == 0 && c.acked:
			t.Fatalf("%v was acknowledged and is lost", c)
		case got == 0 && c.producer != "":
			missing[c.producer] = c.item
		case got != 0 && c.producer != "" && missing[c.producer] != "":
			t.Fatalf("%v is there, %s before it isn't", c, missing[c.producer])
		}
	}
	if got := counters(r).Signals; got != uint64(signals) {
		t.Fatalf("%d signals were applied, the claims account for %d", got, signals)
	}
}

// retryAll sends every request of a lane again and checks that each counts once.
func retryAll(t *testing.T, r *host.Replica, claims []claim) {
	t.Helper()
	for i := range claims {
		c := &claims[i]
		if c.producer == "" {
			continue
		}
		had := total(t, r, c.item)
		receipt, err := write(context.Background(), r, c.producer, c.number, c.item, c.n)
		if err != nil {
			t.Fatalf("retry of %v: %v", c, err)
		}
		if receipt.Count != c.n || receipt.Duplicate != (had == c.n) {
			t.Fatalf("retry of %v, of which %d were there: %+v", c, had, receipt)
		}
		if got := total(t, r, c.item); got != c.n {
			t.Fatalf("%v counts %d times after its retry", c, got)
		}
		c.acked = true
	}
}

// write0 writes records as they are.
func write0(r *host.Replica, records []record.Proposed) (host.Receipt, error) {
	_, hash := currentSchema(r)
	return r.Write(context.Background(), &replica.Request{
		Records: records, Schema: hash, Content: record.ContentHash(records),
	})
}

// fewer is how often something is tried: less often with -short, as the race detector runs, under which everything takes ten times
// as long.
func fewer(often, short int) int {
	if testing.Short() {
		return short
	}
	return often
}
