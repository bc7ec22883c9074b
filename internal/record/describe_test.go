package record

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

func TestTimesPrintAsTheStandardLibraryPrintsThem(t *testing.T) {
	check := func(millis int64) {
		t.Helper()
		want := time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
		if got := string(appendTime(nil, millis)); got != want {
			t.Fatalf("%d prints as %s, want %s", millis, got, want)
		}
	}
	first := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	last := time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
	for _, millis := range []int64{first, last, 0, -1, 1, sampleMillis} {
		check(millis)
	}
	for year := range 10_000 { // around each end of February and of December
		for _, month := range []time.Month{2, 3, 12} {
			check(time.Date(year, month, 28, 12, 0, 0, 0, time.UTC).UnixMilli())
			check(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.Int64Range(first, last).Draw(t, "millis")) })
	for _, millis := range []int64{first - 1, last + 1, MinTime, MaxTime} {
		if got, want := string(appendTime(nil, millis)), fmt.Sprintf("%dms", millis); got != want {
			t.Errorf("%d prints as %s", millis, got)
		}
	}
}

func TestWeightsPrintExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := fixed.Weight(rapid.Int64Range(1, int64(fixed.MaxWeight)).Draw(t, "weight"))
		got, ok := new(big.Rat).SetString(string(appendWeight(nil, w)))
		if !ok || got.Cmp(big.NewRat(int64(w), int64(fixed.One))) != 0 {
			t.Fatalf("%d prints as %s", w, appendWeight(nil, w))
		}
	})
	if got := string(appendWeight(nil, fixed.One+fixed.One/4)); got != "1.25" {
		t.Errorf("5/4 prints as %s", got)
	}
}

func TestDumpPrintsAllThatItCanRead(t *testing.T) {
	data := sampleBatch(t)
	b := mustOpen(t, data)
	var bodies []int
	for rec, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, rec.at)
	}
	data[bodies[2]] = 77 // an unknown relation: the record is damaged, those behind it are not
	var out strings.Builder
	err := Dump(&out, reseal(data))
	var damage *fault.Corrupt
	if !errors.As(err, &damage) || damage.Offset != int64(bodies[2]) {
		t.Errorf("dump with a damaged body at %d: %v", bodies[2], err)
	}
	for _, want := range []string{"1002 relation bytes=", "error=", "1003 put", "1010 annotation"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in the dump:\n%s", want, &out)
		}
	}
	data[bodies[4]-6] = 120 // the length of a record, now a wrong one
	out.Reset()
	if err := Dump(&out, reseal(data)); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("dump with a wrong length: %v", err)
	}
	if text := out.String(); !strings.Contains(text, "1003 put") || strings.Contains(text, "1010 annotation") {
		t.Errorf("the dump doesn't end where the damage is:\n%s", text)
	}
	if err := Dump(io.Discard, data[:20]); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("dump of a stump: %v", err)
	}
	if err := Dump(failingWriter{}, sampleBatch(t)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("dump into a failing writer: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestKindsHaveNames(t *testing.T) {
	n := 0
	for k := range 256 {
		kind := Kind(k)
		parsed, err := ParseKind(kind.String())
		if kind.Known() != (err == nil) || err == nil && parsed != kind {
			t.Errorf("%v parses as %v, %v", kind, parsed, err)
		}
		if kind.Known() {
			n++
			if kind.Level() < 1 || kind.Level() > Level {
				t.Errorf("%v has level %d", kind, kind.Level())
			}
		}
	}
	if n != len(samples())+2+5 {
		t.Errorf("%d kinds, %d samples of level 1, 2 kinds of level 2 and 5 of level 3", n, len(samples()))
	}
}
