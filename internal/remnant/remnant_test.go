package remnant_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() (remnant.Head, []byte) {
	h := remnant.Head{
		Cluster: [16]byte{0x74, 0x2d, 0x82, 0xee, 15: 0xc3}, Form: remnant.Range, Origin: id.Origin{Region: 258, Shard: 3, Incarnation: 7},
		First: 1020, Last: 99_999, Newest: 1_700_000_000_123, Replaces: 5_000_000,
	}
	return h, []byte(strings.Repeat("what a range holds ", 5))
}

// TestPiecesAreGolden holds the encoding, which docs/format/piece.md describes. What the compressor makes of the content isn't part
// of it: what was written once is read for ever.
func TestPiecesAreGolden(t *testing.T) {
	h, content := example()
	data := remnant.Encode(&h, content)
	const name = "testdata/piece.golden"
	if *update {
		var b strings.Builder
		for i := 0; i < len(data); i += 32 {
			fmt.Fprintf(&b, "%x\n", data[i:min(i+32, len(data))])
		}
		if err := errors.Join(os.MkdirAll("testdata", 0o777), os.WriteFile(name, []byte(b.String()), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var golden []byte
	if _, err := fmt.Sscanf(strings.ReplaceAll(string(text), "\n", ""), "%x", &golden); err != nil {
		t.Fatal(err)
	}
	got, read, err := remnant.Decode("p", golden)
	if err != nil || got != h || !bytes.Equal(read, content) {
		t.Errorf("reads as %+v with %d bytes, %v", got, len(read), err)
	}
	if !bytes.Equal(golden[:remnant.HeadSize], data[:remnant.HeadSize]) {
		t.Errorf("head is\n%x, was\n%x", data[:remnant.HeadSize], golden[:remnant.HeadSize])
	}
	if head, err := remnant.DecodeHead("p", golden[:remnant.HeadSize]); err != nil || head != h {
		t.Errorf("head reads as %+v, %v", head, err)
	}
	if want := "258-3-7-00000000000000001020-00000000000000099999.piece"; h.Name() != want || !remnant.IsName(want) {
		t.Errorf("name is %s", h.Name())
	}
	said, ok := remnant.Named(h.Name())
	if !ok || said.Origin != h.Origin || said.First != h.First || said.Last != h.Last {
		t.Errorf("the name says %+v %v", said, ok)
	}
	for _, name := range []string{"258-3-7-1020-99999.piece", "x", h.Name() + "x", "-" + h.Name()} {
		if _, ok := remnant.Named(name); ok {
			t.Errorf("%s is taken for a name", name)
		}
	}
}

func TestEveryFlippedBitOfAPieceIsNoticed(t *testing.T) {
	h, content := example()
	data := remnant.Encode(&h, content)
	for i := range 8 * len(data) {
		data[i/8] ^= 1 << (i % 8)
		_, _, err := remnant.Decode("p", data)
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || damage.File != "p" {
			t.Fatalf("bit %d: %v", i, err)
		}
		data[i/8] ^= 1 << (i % 8)
	}
	for n := range data {
		if _, _, err := remnant.Decode("p", data[:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// FuzzDecode gives arbitrary bytes: damage, a newer format, or a piece that reads the same when it's written again.
func FuzzDecode(f *testing.F) {
	h, content := example()
	f.Add(remnant.Encode(&h, content))
	h.Form = remnant.Batches
	f.Add(remnant.Encode(&h, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, content, err := remnant.Decode("p", b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatal(err)
			}
			return
		}
		again := h
		got, read, err := remnant.Decode("p", remnant.Encode(&again, content))
		if err != nil || got != h || !bytes.Equal(read, content) {
			t.Fatalf("%+v, written again, is %+v, %v", h, got, err)
		}
	})
}
