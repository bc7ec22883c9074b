package schema

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update rewrites it if the change is meant. Got:\n%s", path, got)
	}
}

// fullSchema uses every part of the format.
func fullSchema(t testing.TB) *Schema {
	base := MovieLens()
	next, err := base.Extend(func(s *Schema) {
		s.Signals[0].UniqueUsers = true
		s.Signals = append(s.Signals, SignalType{
			Name: "start", HalfLives: []time.Duration{90 * minHalfLife}, Permanent: true,
			Windows: []Window{Window1h, WindowAll}, Velocity: true, Sets: []Mark{InProgress}, Clears: []Mark{Liked, Saved},
		},
			SignalType{Name: "hide", Meaning: HardNegative})
		s.Items.Embeddings = []Embedding{{"content", 384}, {"cover", 512}}
		s.Users.Fields = append(s.Users.Fields, Field{"home", TypeGeo}, Field{"score_bias", TypeFloat})
		s.Creators.Fields = []Field{{"verified", TypeBool}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestBytesStayWhatTheyAre(t *testing.T) {
	for _, s := range []*Schema{MovieLens(), Events(), fullSchema(t)} {
		enc := s.Encode()
		golden(t, fmt.Sprintf("%s-%d.hex", s.Name, s.Version), fmt.Sprintf("hash %s\n%s", s.Hash(), hex.Dump(enc)))
		golden(t, fmt.Sprintf("%s-%d.yaml", s.Name, s.Version), string(s.YAML()))
	}
}

func TestDecodeTakesNoOtherBytes(t *testing.T) {
	enc := fullSchema(t).Encode()
	accepted := 0
	check := func(b []byte) {
		t.Helper()
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		accepted++
		if !bytes.Equal(s.Encode(), b) {
			t.Fatalf("accepted bytes that aren't the encoding of what was decoded")
		}
	}
	for i := range enc {
		check(enc[:i])
		for bit := range 8 {
			flipped := bytes.Clone(enc)
			flipped[i] ^= 1 << bit
			check(flipped)
		}
	}
	check(append(bytes.Clone(enc), 0))
	if accepted == 0 {
		t.Error("no flipped bit gave another schema: the test tests nothing")
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	enc := (&Schema{Name: "a"}).Encode()
	at := func(i int, b ...byte) []byte {
		changed := bytes.Clone(enc)
		return append(append(changed[:i:i], b...), enc[i+1:]...)
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "damaged at offset 0: schema: magic is cut short"},
		{at(0, 'X'), `damaged at offset 4: schema: magic is not "TSCH"`},
		{at(4, 0), "damaged at offset 5: schema: format is 0"},
		{at(4, 2), "decode schema of format 2: format is newer than this program"},
		{at(5, 64), "damaged at offset 5: schema: length of name is 64, at most 63"},
		{at(6, 'A'), `damaged at offset 0: schema is not valid: refused: name: "A" is not a name; names are a ` +
			`lower-case letter, then letters, digits and underscores`},
		{at(7, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{at(7, 0x81, 0), "damaged at offset 0: schema: encoding is not canonical"},
		{enc[:len(enc)-1], "damaged at offset 35: schema: number of embeddings is cut short or too long"},
		{append(bytes.Clone(enc), 7), "damaged at offset 36: schema: 1 bytes are left over"},
	} {
		if _, err := Decode(c.b); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestInvalidSchemasEncodeToBytesThatDecodeRefuses(t *testing.T) {
	for i, s := range []*Schema{
		{},
		{Name: "a", FutureBound: -1},
		{Name: "a", FutureBound: 1},
		{Name: "a", Signals: []SignalType{{Name: "v", HalfLives: []time.Duration{minHalfLife + 1}}}},
		{Name: "a", Signals: []SignalType{{Name: "v", HalfLives: []time.Duration{-minHalfLife}}}},
		{Name: "a", Signals: []SignalType{{Name: "v", Windows: []Window{1, 1}}}},
		{Name: "a", Items: EntityType{Embeddings: []Embedding{{"e", -1}}}},
		{Name: strings.Repeat("a", 1<<16)},
	} {
		if _, err := Decode(s.Encode()); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("schema %d: %v", i, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&Schema{Name: "a"}).Encode())
	f.Add(MovieLens().Encode())
	f.Add(fullSchema(f).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatal("accepted bytes that aren't canonical")
		}
		if back, err := ParseYAML("f", s.YAML()); err != nil || !bytes.Equal(back.Encode(), b) {
			t.Fatalf("YAML doesn't read back: %v", err)
		}
	})
}
