package lane

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func TestMain(m *testing.M) {
	// More runs per property than the library's default; the flag still rules.
	if err := flag.Set("rapid.checks", "300"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// sample has everything that a table can have.
func sample() *Table {
	t := New(Options{MaxHashes: 4})
	w := world{now: 1000}
	for request := uint64(1); request <= 6; request++ {
		t.Accept("phone", request, w.accept(0, 0, 2, request))
	}
	t.Accept("phone", 9, w.accept(1, 0, 1, 9))
	t.Accept("tv", 80, w.accept(1, 0, 1, 1))
	t.Accept("tv", 3, w.accept(2, 4, 1, 1))
	t.AcceptKey("order-9", w.accept(0, 0, 1, 5))
	t.AcceptKey("order-10", w.accept(2, 0, 3, 6))
	return t
}

func TestEveryByteChangedIsRefusedOrMeansAnotherTable(t *testing.T) {
	data := sample().AppendBinary(nil)
	if _, err := Decode(data, Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			table, err := Decode(changed, Options{})
			switch {
			case err == nil:
				if !bytes.Equal(table.AppendBinary(nil), changed) {
					t.Fatalf("byte %d bit %d: taken, but encoded differently", i, bit)
				}
			case !errors.Is(err, fault.ErrCorrupt) && !(i == 0 && errors.Is(err, fault.ErrFormatTooNew)):
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range data {
		if _, err := Decode(data[:n], Options{}); !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// TestTablesOfVersion1AreRead reads what was stored before stamps were kept beside hashes, and whose a run is was a byte:
// of requests that such a program accepted, nobody can tell which of two copies falls.
func TestTablesOfVersion1AreRead(t *testing.T) {
	data, err := hex.DecodeString("010101710307000000000000000000820000000000000300010100010000010000780000000000150000000000000000" +
		"010101000000320000820000000000160000000000000000010100010000030000780000000000170000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	table, err := Decode(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `lane q high=3 window=111
  1–1 ×1 from 1:0:1 until 120.0 known=15 at 0.0
  2–2 ×1 from 0:0:50 until 130.0 known=16 at 0.0
  3–3 ×1 from 1:0:3 until 120.0 known=17 at 0.0
`
	if got := picture(table); got != want {
		t.Fatalf("read:\n%s", got)
	}
	again := stored(t, table, Options{})
	if got := picture(again); got != want {
		t.Fatalf("written today and read:\n%s", got)
	}
	m := again.Accept("q", 2, Accepted{Position: id.Position{Region: 2, Seq: 1}, Count: 1, HLC: 1})
	if (m != Meeting{Twice: true}) {
		t.Errorf("a copy of it: %+v", m)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(New(Options{}).AppendBinary(nil))
	f.Add(sample().AppendBinary(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Decode(data, Options{MaxRuns: 4, MaxHashes: 2})
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := table.AppendBinary(nil); data[0] == encodingVersion && !bytes.Equal(again, data) {
			t.Fatalf("decoded and encoded:\n%x\n%x", data, again)
		}
		// What was decoded is a table that works.
		a := Accepted{Position: id.Position{Seq: 7}, Count: 1, HLC: hlc.Make(10, 0)}
		table.Accept("phone", 7, a)
		table.Expire(hlc.Make(1<<40, 0))
		if _, err := Decode(table.AppendBinary(nil), table.opts); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkCheckAndAccept(b *testing.B) {
	const producers = 1000
	table := New(Options{})
	names := make([]string, producers)
	for i := range names {
		names[i] = "producer-" + string(rune('a'+i%26)) + string(rune('0'+i/26))
	}
	w := world{now: 1}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		name, request := names[i%producers], uint64(i/producers+1)
		if v, err := table.Check(name, request, 7); err != nil || v.Duplicate {
			b.Fatal(v, err)
		}
		table.Accept(name, request, w.accept(0, 0, 64, 7))
	}
}
