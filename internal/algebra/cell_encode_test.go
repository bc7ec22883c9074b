package algebra_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

// checkDecode holds the decoder to its promise on any bytes: damage, or exactly these bytes again.
func checkDecode(t *testing.T, b []byte) error {
	t.Helper()
	var s algebra.SignalState
	err := algebra.DecodeSignalState(b, &s)
	switch {
	case err == nil:
		if again := s.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted but encodes as %x", b, again)
		}
	case !errors.Is(err, fault.ErrCorrupt):
		t.Fatalf("%x: %v is no corruption", b, err)
	case !s.IsZero():
		t.Fatalf("%x was refused but left something behind", b)
	}
	return err
}

func TestDamagedCellsAreRefusedOrOtherCells(t *testing.T) {
	r := newRand(t)
	for range 60 {
		b := fold(randomEvents(r, 1+r.IntN(40))).AppendBinary(nil)
		if err := checkDecode(t, b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if err := checkDecode(t, append(bytes.Clone(b), 0)); err == nil {
			t.Fatalf("%x was accepted with a byte too many", b)
		}
		for n := 1; n < len(b); n++ {
			if err := checkDecode(t, b[:n]); err == nil {
				t.Fatalf("%x was accepted cut to %d bytes", b, n)
			}
		}
		for i := range b {
			for bit := range 8 {
				flipped := bytes.Clone(b)
				flipped[i] ^= 1 << bit
				_ = checkDecode(t, flipped) // may be another cell
			}
		}
	}
}

func TestDecoderRefusesWhatIsNotCanonical(t *testing.T) {
	many := bytes.Repeat([]byte{0, 2}, 61)
	for name, b := range map[string][]byte{
		"no flag":                    {0x00},
		"unknown flag":               {0x41, 0x00},
		"total without mark":         {0x02, 0x02},
		"unique users with sums":     {0x22, 0x02, 0x01, 0x01},
		"long mark":                  {0x01, 0x80, 0x00},
		"mark cut short":             {0x01, 0x80},
		"mark beyond 64 bits":        {0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		"total of 0":                 {0x03, 0x00, 0x00},
		"permanent of 0":             {0x05, 0x00, 0x00},
		"permanent too long":         {0x05, 0x00, 0x82, 0x00},
		"no half-lives":              {0x09, 0x00, 0x00},
		"half-life 0":                {0x09, 0x00, 0x01, 0x00, 0x01, 0x02},
		"half-life twice":            {0x09, 0x00, 0x02, 0x05, 0x01, 0x02, 0x00, 0x01, 0x02},
		"half-life without sums":     {0x09, 0x00, 0x01, 0x05, 0x00},
		"epoch not kept":             {0x09, 0x00, 0x01, 0x05, 0x20, 0x02},
		"epoch sum of 0":             {0x09, 0x00, 0x01, 0x05, 0x01, 0x00},
		"half-life beyond the bound": {0x09, 0x00, 0x01, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08, 0x01, 0x02},
		"more half-lives than bytes": {0x09, 0x00, 0x7f, 0x05, 0x01, 0x02},
		"no buckets":                 {0x11, 0x00, 0x00, 0x00, 0x00},
		"bucket of 0":                {0x11, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00},
		"minute after the mark":      {0x11, 0x00, 0x01, 60, 0x02, 0x00, 0x00},
		"the mark's own hour":        {0x11, 0x00, 0x00, 0x01, 0xa7, 0x01, 0x02, 0x00},
		"day that hours still cover": {0x11, 0x00, 0x00, 0x00, 0x01, 23, 0x02},
		"too many buckets":           append(append([]byte{0x11, 0x00, 61}, many...), 0, 0),
		"second bucket too far":      {0x11, 0x00, 0x02, 59, 0x02, 0x00, 0x02, 0x00, 0x00},
		"no unique users":            {0x20, 0x00},
		"bytes left over":            {0x01, 0x00, 0x00},
	} {
		if checkDecode(t, b) == nil {
			t.Errorf("%s: %x was accepted", name, b)
		}
	}
	// The neighbours of those: just within the bounds.
	for name, b := range map[string][]byte{
		"nothing":                {},
		"mark alone":             {0x01, 0x00},
		"the mark's own minute":  {0x11, 0x00, 0x01, 59, 0x02, 0x00, 0x00},
		"the hour before":        {0x11, 0x00, 0x00, 0x01, 0xa6, 0x01, 0x02, 0x00},
		"a day a week before":    {0x11, 0x00, 0x00, 0x00, 0x01, 22, 0x02},
		"half-life at the bound": {0x09, 0x00, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08, 0x01, 0x02},
		"negative sum":           {0x09, 0x00, 0x01, 0x05, 0x10, 0x01},
	} {
		if err := checkDecode(t, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeSignalState(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	f.Add([]byte{})
	for range 30 {
		f.Add(fold(randomEvents(r, 1+r.IntN(20))).AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkDecode(t, b) != nil {
			return
		}
		// What was accepted must be fit for use, whatever it holds.
		var s algebra.SignalState
		if err := algebra.DecodeSignalState(b, &s); err != nil {
			t.Fatal(err)
		}
		mark, _ := s.Mark()
		double := s.Clone()
		double.Merge(&s)
		double.Minus(&s)
		if got := double.AppendBinary(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x, doubled and halved, is %x", b, got)
		}
		s.Add(shapes()[1], mark+17*hour, fixed.One)
		for _, h := range []int64{hour, 6 * hour, day} {
			s.Score(h, mark)
			s.LogScore(h)
		}
		s.Count(algebra.W30d, mark)
		_ = checkDecode(t, s.AppendBinary(nil))
	})
}

// TestGoldenCellLayout pins the bytes of a few cells that show every part of the layout.
func TestGoldenCellLayout(t *testing.T) {
	const at = 1_767_225_600_000 // 2026-01-01T00:00:00Z
	full := shapes()[2]
	two := algebra.Shape{HalfLives: []int64{hour, day}, Buckets: true}
	user := event{t: at, w: fixed.One, shape: full, sign: 1, user: 0x0123456789abcdef}
	var b strings.Builder
	for _, c := range []struct {
		name   string
		events []event
	}{
		{"nothing", nil},
		{"one plain event", []event{{at, fixed.One, algebra.Shape{}, 1, 0}}},
		{"one permanent event", []event{{at, fixed.One, algebra.Shape{Permanent: true}, 1, 0}}},
		{"an event and its compensation", []event{{at, fixed.One, two, 1, 0}, {at, fixed.One, two, -1, 0}}},
		{"a compensation ahead of its event", []event{{at, fixed.One, two, -1, 0}}},
		{"a minute, an hour, a day and a later epoch", []event{
			{at, fixed.One, two, 1, 0},
			{at - 2*hour, 2 * fixed.One, two, 1, 0},
			{at - 9*day, fixed.MaxWeight, two, 1, 0},
			{at - 60*day, 1, two, 1, 0},
		}},
		{"everything, one user", []event{user}},
		{"before 1970", []event{{-1, fixed.One, two, 1, 0}}},
	} {
		fmt.Fprintf(&b, "%s: %x\n", c.name, fold(c.events).AppendBinary(nil))
	}
	compareGolden(t, "cell_layout.txt", b.String())
}

// TestGoldenCellDigest digests a fixed workload of folds, merges and reads. The bytes must not depend on CPU, compiler
// settings or version.
func TestGoldenCellDigest(t *testing.T) {
	r := rand.New(rand.NewPCG(20260101, 5))
	h := sha256.New()
	for range 400 {
		events := randomEvents(r, 1+r.IntN(80))
		s, _ := runSchedule(r, events, func() *cell { return new(cell) }, func(c *cell) *cell { return c })
		b := s.AppendBinary(nil)
		mark, _ := s.Mark()
		q := readTime(r, min(max(mark, math.MinInt64/2), math.MaxInt64/2))
		for _, half := range []int64{hour, 6 * hour, day, 7 * day} {
			score, ok := s.Score(half, q)
			log, _ := s.LogScore(half)
			b = fmt.Appendf(b, "%x %d %v %d %x ", score.Mant, score.Exp, ok, log, math.Float64bits(score.Float()))
		}
		for w := algebra.W1h; w.Valid(); w++ {
			b = fmt.Appendf(b, "%d ", s.Count(w, q))
		}
		h.Write(fmt.Appendf(b, "%d\n", s.Unique()))
	}
	compareGolden(t, "cell_digest.txt", fmt.Sprintf("%x\n", h.Sum(nil)))
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateCells {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("%s differs: got\n%swant\n%s", path, got, want)
	}
}
