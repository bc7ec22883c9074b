package transport

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// examples are one of everything that travels, by the name of its golden file.
func examples() map[string][]byte {
	who := Identity{Cluster: [16]byte{0: 0xaa, 15: 0xbb}, Region: 1, Shard: 2, Replica: 3, Version: 0x01020304}
	h := hello{min: 1, max: 1, class: urgent, from: who, to: 4, process: 0x1122334455667788, address: "10.0.0.1:7400"}
	asker := hello{min: 1, max: 1, class: asking, process: 7}
	yes := welcome{min: 1, max: 1, version: 1, here: who}
	no := welcome{min: 1, max: 1, reason: ReasonReplica, here: who, text: "this is replica 3"}
	frame := func(k kind, payload []byte) []byte {
		var b bytes.Buffer
		_ = writeFrame(&b, k, payload) // a buffer takes everything
		return b.Bytes()
	}
	return map[string][]byte{
		"hello": h.append(nil), "hello-ask": asker.append(nil), "welcome": yes.append(nil), "welcome-refused": no.append(nil),
		"frame-data": frame(kindData, []byte("opaque")), "frame-ping": frame(kindPing, []byte{1, 2, 3, 4, 5, 6, 7, 8}),
		"frame-alive": frame(kindAlive, nil),
		"frame-bye":   frame(kindBye, appendBye(&Refusal{Reason: ReasonNotAdmitted, Text: "removed"})),
	}
}

func TestGoldenBytes(t *testing.T) {
	for name, got := range examples() {
		path := filepath.Join("testdata", name+".hex")
		if *update {
			if err := os.WriteFile(path, []byte(hex.EncodeToString(got)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is %x, not as it always was, %x", name, got, want)
		}
		again, err := recoded(want)
		if err != nil || !bytes.Equal(again, want) {
			t.Errorf("%s is read as %x, %v", name, again, err)
		}
	}
}

// recoded decodes a hello, welcome or frame, whatever it is, and encodes it again.
func recoded(b []byte) ([]byte, error) {
	r := bytes.NewReader(b)
	if bytes.HasPrefix(b, []byte(magic)) && len(b) > 8 {
		g, err := readGreeting(r)
		if err != nil {
			return nil, err
		}
		if g.kind == isHello {
			h, err := g.hello()
			return h.append(nil), err
		}
		w, err := g.welcome()
		return w.append(nil), err
	}
	k, payload, err := readFrame(bufio.NewReader(r), 1<<20)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeFrame(&out, k, payload)
	return out.Bytes(), err
}

// TestEveryWrongBitIsFound flips each bit of everything that travels, and cuts it at each byte.
func TestEveryWrongBitIsFound(t *testing.T) {
	for name, good := range examples() {
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				if again, err := recoded(bad); err == nil {
					t.Errorf("%s with bit %d of byte %d flipped was read as %x", name, bit, i, again)
				}
			}
			if _, err := recoded(good[:i]); err == nil {
				t.Errorf("%s was read from %d of its %d bytes", name, i, len(good))
			}
		}
	}
}

func drawIdentity(t *rapid.T) (id Identity) {
	copy(id.Cluster[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "cluster"))
	id.Region, id.Shard = rapid.Uint16().Draw(t, "region"), rapid.Uint16().Draw(t, "shard")
	id.Replica, id.Version = rapid.Uint64().Draw(t, "replica"), rapid.Uint32().Draw(t, "version")
	return id
}

func TestGreetingsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hello{
			min: 1, max: rapid.Uint8Range(1, 255).Draw(t, "max"), class: rapid.SampledFrom([]class{urgent, bulk, asking}).Draw(t, "class"),
			from: drawIdentity(t), to: rapid.Uint64().Draw(t, "to"), process: rapid.Uint64().Draw(t, "process"),
			address: rapid.StringN(0, 60, maxAddress).Draw(t, "address"),
		}
		g, err := readGreeting(bytes.NewReader(h.append(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := g.hello(); err != nil || got != h {
			t.Fatalf("%+v is read as %+v, %v", h, got, err)
		}
		w := welcome{min: 1, max: 1, version: 1, here: drawIdentity(t)}
		if rapid.Bool().Draw(t, "refused") {
			w.version, w.reason = 0, Reason(rapid.Uint8Range(1, 255).Draw(t, "reason"))
			w.text = rapid.StringN(0, 300, maxText).Draw(t, "text")
		}
		if g, err = readGreeting(bytes.NewReader(w.append(nil))); err != nil {
			t.Fatal(err)
		}
		if got, err := g.welcome(); err != nil || got != w {
			t.Fatalf("%+v is read as %+v, %v", w, got, err)
		}
	})
}

// TestVersionsAreNegotiated holds the choice against the definition: the highest that both have.
func TestVersionsAreNegotiated(t *testing.T) {
	for lowest := uint8(1); lowest < 6; lowest++ {
		for highest := lowest; highest < 6; highest++ {
			want := uint8(0)
			for v := uint8(minVersion); v <= maxVersion; v++ {
				if lowest <= v && v <= highest {
					want = v
				}
			}
			got, why := choose(&greeting{min: lowest, max: highest})
			if got != want || (why == nil) != (want != 0) {
				t.Errorf("with %d to %d: version %d, %v; want %d", lowest, highest, got, why, want)
			}
			if why != nil && why.Reason != ReasonVersion {
				t.Errorf("refused for %v", why.Reason)
			}
		}
	}
}

// TestANewerHelloMayBeLonger reads the part that this version knows of.
func TestANewerHelloMayBeLonger(t *testing.T) {
	h := hello{min: 1, max: maxVersion + 1, class: urgent, to: 2, address: "a:1"}
	longer := func(highest uint8) *greeting {
		g, err := readGreeting(bytes.NewReader(h.append(nil)))
		if err != nil {
			t.Fatal(err)
		}
		return &greeting{kind: isHello, min: g.min, max: highest, body: append(g.body, "more"...)}
	}
	if got, err := longer(maxVersion + 1).hello(); err != nil || got != h {
		t.Errorf("a newer one is read as %+v, %v", got, err)
	}
	if _, err := longer(maxVersion).hello(); !errors.Is(err, errDamaged) {
		t.Errorf("bytes behind one of this version: %v", err)
	}
}

// endless is a stream that never ends; what asks for as much as it says would take all memory.
type endless struct {
	head io.Reader
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	if n, err := e.head.Read(b); err == nil {
		return n, nil
	}
	e.read += len(b)
	return len(b), nil
}

// TestLimitsHoldBeforeMemoryIsTaken announces frames far beyond the limit of each kind.
func TestLimitsHoldBeforeMemoryIsTaken(t *testing.T) {
	for k := kind(0); k < kinds+2; k++ {
		stream := &endless{head: bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, byte(k), 0, 0, 0, 0})}
		r := bufio.NewReaderSize(stream, 16)
		var why *Refusal
		before := stream.read
		allocated := testing.AllocsPerRun(1, func() {
			stream.head = bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, byte(k), 0, 0, 0, 0})
			r.Reset(stream)
			if _, _, err := readFrame(r, 1<<20); !errors.As(err, &why) || why.Reason != ReasonProtocol {
				t.Errorf("kind %d: %v", k, err)
			}
		})
		if stream.read-before > 64 || allocated > 20 {
			t.Errorf("kind %d: %d bytes were read behind the header, %v allocations", k, stream.read-before, allocated)
		}
	}
}

func FuzzGreeting(f *testing.F) {
	for _, b := range examples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := readGreeting(bytes.NewReader(b))
		if err != nil || g.kind == isHello && g.max > maxVersion { // a newer hello may say more than is kept
			return
		}
		var again []byte
		if h, err := g.hello(); err == nil {
			again = h.append(nil)
		}
		if w, err := g.welcome(); err == nil {
			again = w.append(nil)
		}
		if !bytes.HasPrefix(b, again) {
			t.Errorf("%x is encoded again as %x", b, again)
		}
	})
}

func FuzzFrame(f *testing.F) {
	for _, b := range examples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var again bytes.Buffer
		for {
			k, payload, err := readFrame(r, 1<<12)
			if err != nil {
				break
			}
			if len(payload) > k.longest(1<<12) {
				t.Fatalf("kind %d has %d bytes", k, len(payload))
			}
			if k == kindBye {
				_ = decodeBye(payload).Error()
			}
			if err := writeFrame(&again, k, payload); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("%x is encoded again as %x", b, again.Bytes())
		}
	})
}
