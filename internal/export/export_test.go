package export

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

func sampleCursor() Cursor {
	return Cursor{
		Cluster: [4]byte{0x74, 0x2d, 0x82, 0xee}, Group: id.Origin{Region: 1, Shard: 2, Incarnation: 3}, Index: 300, Term: 5,
		Read: id.VersionVector{}.With(id.Origin{}, 7).With(id.Origin{Region: 1, Shard: 2, Incarnation: 3}, 1<<40),
	}
}

func samplePin() Pin {
	return Pin{Name: "nightly", Cursor: sampleCursor(), Created: 1_700_000_000_000, Advanced: 1_700_000_600_123}
}

const (
	goldenCursor = "AXQtgu4AAQACAAAAA6wCBQIAAAAAAAAAAAcAAQACAAAAA4CAgICAIKRjpLg"
	goldenPin    = `{
  "format": 1,
  "name": "nightly",
  "cursor": "` + goldenCursor + `",
  "created_ms": 1700000000000,
  "advanced_ms": 1700000600123,
  "sum": "SUM"
}
`
)

// The bytes of cursors and pins are formats: consumers and directories hold them.
func TestFormatsKeepTheirBytes(t *testing.T) {
	c, p := sampleCursor(), samplePin()
	if got := c.Text(); got != goldenCursor {
		t.Errorf("cursor is\n%s, want\n%s", got, goldenCursor)
	}
	if got := string(p.Encode()); got != strings.Replace(goldenPin, "SUM", goldenSum, 1) {
		t.Errorf("pin is\n%s", got)
	}
	back, err := ParseCursor("cursor", goldenCursor)
	if err != nil || back.Text() != goldenCursor || back.Index != 300 || back.Term != 5 || !back.Read.Equal(c.Read) ||
		back.Group != c.Group || back.Cluster != c.Cluster {
		t.Errorf("cursor came back as %+v, %v", back, err)
	}
	pin, err := DecodePin("x", p.Encode())
	if err != nil || pin.Name != p.Name || pin.Created != p.Created || pin.Advanced != p.Advanced ||
		pin.Cursor.Text() != goldenCursor {
		t.Errorf("pin came back as %+v, %v", pin, err)
	}
}

const goldenSum = "ad2a6f1e"

func TestCursorsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Cursor{
			Group: id.UnpackOrigin(rapid.Uint64().Draw(t, "group")), Index: rapid.Uint64().Draw(t, "index"),
			Term: rapid.Uint64().Draw(t, "term"),
		}
		copy(c.Cluster[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "cluster"))
		for range rapid.IntRange(0, 200).Draw(t, "origins") {
			c.Read = c.Read.With(id.UnpackOrigin(rapid.Uint64().Draw(t, "origin")), id.Seq(rapid.Uint64().Draw(t, "seq")))
		}
		text := c.Text()
		back, err := ParseCursor("cursor", text)
		if err != nil || back.Text() != text || !back.Read.Equal(c.Read) || back.Group != c.Group {
			t.Fatalf("%d bytes came back as %+v, %v", len(text), back, err)
		}
	})
}

// Whatever bit is changed, whatever is cut off: it is refused under the field's name, and a file is damage.
func TestWhatWasChangedIsRefused(t *testing.T) {
	c, p := sampleCursor(), samplePin()
	text, file := c.Text(), p.Encode()
	for i := range 8 * len(text) {
		b := []byte(text)
		b[i/8] ^= 1 << (i % 8)
		var in *fault.Input
		if _, err := ParseCursor("after", string(b)); !errors.As(err, &in) || in.Field != "after" {
			t.Errorf("bit %d of a cursor: %v", i, err)
		}
	}
	for n := range len(text) {
		if _, err := ParseCursor("after", text[:n]); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%d bytes of a cursor: %v", n, err)
		}
	}
	for i := range 8 * len(file) {
		b := append([]byte(nil), file...)
		b[i/8] ^= 1 << (i % 8)
		_, err := DecodePin("x", b)
		if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
			t.Errorf("bit %d of a pin: %v", i, err)
		}
	}
	for n := range len(file) {
		if _, err := DecodePin("x", file[:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%d bytes of a pin: %v", n, err)
		}
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, good := range []string{"a", "0", "nightly-2", "a.b_c", strings.Repeat("x", MaxName)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "-a", "A", "a/b", "a b", "ä", "a\x00", strings.Repeat("x", MaxName+1)} {
		if err := CheckName(bad); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	c := sampleCursor()
	f.Add(c.Text())
	f.Add((&Cursor{}).Text())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCursor("cursor", text); err == nil && c.Text() != text {
			t.Errorf("%q came back as %q", text, c.Text())
		}
	})
}

func FuzzDecodePin(f *testing.F) {
	p := samplePin()
	f.Add(p.Encode())
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := DecodePin("x", data)
		if err == nil && string(p.Encode()) != string(data) {
			t.Errorf("%q came back as %q", data, p.Encode())
		}
	})
}
