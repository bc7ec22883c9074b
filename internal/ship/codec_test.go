package ship

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

func TestExampleOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/ship.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "## Example")
	example = strings.Split(example, "```")[1]
	want, err := hex.DecodeString(strings.Join(strings.Fields(example), ""))
	if err != nil {
		t.Fatal(err)
	}
	p := Packet{
		To: Peer{0, 2}, From: Peer{1, 1}, Kind: PacketAck, Session: 5, Number: 3, Taken: 300,
		Pulse: Pulse{Wall: 1024, Leads: true, Leader: 1, Vector: id.VersionVector{}.With(id.Origin{Region: 1}, 7)},
	}
	if got := p.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("the page says\n%x, the code\n%x", want, got)
	}
}

// golden are packets of all kinds, and the bytes that they have had since there are any.
func golden() []Packet {
	a, b := id.Origin{Region: 1}, id.Origin{Region: 2, Shard: 1, Incarnation: 3}
	v := id.VersionVector{}.With(a, 9).With(b, 300)
	pulse := Pulse{Wall: 1_700_000_000_123, Leader: 4, Vector: v}
	full := pulse
	full.Leads, full.Knows = true, []Report{{Region: 2, Vector: v, Age: 40}, {Region: 7, Age: 70_000}}
	marked := pulse
	marked.Marks = []Mark{{Region: 1, Origin: a, First: 9, Last: 9, Sum: 0x1122334455667788}, {Region: 2, Origin: b, First: 200, Last: 300, Sum: 1}}
	ends := func(k PacketKind, p Packet) Packet {
		p.To, p.From, p.Kind, p.Session = Peer{2, 1}, Peer{1, 300}, k, 0x0102030405060708
		if p.Pulse.Wall == 0 {
			p.Pulse = pulse
		}
		return p
	}
	return []Packet{
		ends(PacketSubscribe, Packet{Pulse: full, Subscribe: &Subscription{
			Cluster: [16]byte{1, 2, 3}, Tenant: "shop", Origin: a, Own: true, Relay: []id.Origin{b}, After: v, Window: 1 << 20,
		}}),
		ends(PacketAccept, Packet{}),
		ends(PacketRefuse, Packet{Reason: ReasonRegion, Text: "its region isn't known"}),
		ends(PacketData, Packet{Number: 7}),
		ends(PacketData, Packet{Number: 8, Gone: []id.Origin{a, b}, Items: []Item{
			{Origin: a, First: 10, Last: 12, Data: []byte("some batch")},
			{Range: true, Origin: b, First: 1, Last: 299, Data: []byte("a range")},
		}}),
		ends(PacketAck, Packet{Number: 8, Taken: 1 << 33}),
		ends(PacketLeave, Packet{}),
		ends(PacketNews, Packet{Pulse: full}),
		ends(PacketSubscribe, Packet{Name: "eu-west", Subscribe: &Subscription{Cluster: [16]byte{1, 2, 3}, Origin: a, Window: 1}}),
		ends(PacketAccept, Packet{Name: "eu-west"}),
		ends(PacketNews, Packet{Pulse: marked}),
	}
}

func TestGoldenPackets(t *testing.T) {
	var text strings.Builder
	for _, p := range golden() {
		b := p.Append(nil)
		text.WriteString(p.Kind.String() + " " + hex.EncodeToString(b) + "\n")
		back, err := DecodePacket(b)
		if err != nil {
			t.Errorf("%v: %v", p.Kind, err)
		} else if !reflect.DeepEqual(back, p) {
			t.Errorf("%v came back as\n%+v, was\n%+v", p.Kind, back, p)
		}
	}
	const file = "testdata/packets.txt"
	if os.Getenv("TIDAL_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s says\n%s, the code\n%s", file, want, text.String())
	}
}

func TestLongRunsAreCompressedWhereItPays(t *testing.T) {
	p := golden()[4]
	p.Items[0].Data = bytes.Repeat([]byte("all alike "), 1000)
	b := p.Append(nil)
	if len(b) > 2000 {
		t.Errorf("%d bytes that are alike take %d", len(p.Items[0].Data), len(b))
	}
	back, err := DecodePacket(b)
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("came back otherwise: %v", err)
	}
}

func TestPacketsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t)
		b := p.Append(nil)
		back, err := DecodePacket(b)
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		if !bytes.Equal(back.Append(nil), b) {
			t.Fatalf("%+v came back as %+v", p, back)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := DecodePacket(b[:cut]); !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("cut at %d of %d: %v", cut, len(b), err)
		}
		if _, err := DecodePacket(append(slices.Clone(b), 0)); err == nil && back.size() < squeezeFrom {
			t.Fatal("a byte behind the end is taken")
		}
	})
}

func TestANewerPacketIsToldFromADamagedOne(t *testing.T) {
	p := golden()[1]
	b := p.Append(nil)
	b[0]++
	if _, err := DecodePacket(b); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Error(err)
	}
}

func drawPacket(t *rapid.T) Packet {
	number := rapid.Uint64Range(1, 1<<47-1)
	origin := rapid.Custom(func(t *rapid.T) id.Origin {
		return id.Origin{
			Region: id.Region(rapid.Uint16Range(0, 3).Draw(t, "region")), Shard: id.Shard(rapid.Uint16Range(0, 1).Draw(t, "shard")),
			Incarnation: id.Incarnation(rapid.Uint32Range(0, 2).Draw(t, "incarnation")),
		}
	})
	vector := rapid.Custom(func(t *rapid.T) (v id.VersionVector) {
		for _, o := range rapid.SliceOfN(origin, 0, 4).Draw(t, "origins") {
			v = v.With(o, id.Seq(number.Draw(t, "seq")))
		}
		return v
	})
	origins := rapid.Custom(func(t *rapid.T) []id.Origin {
		list := rapid.SliceOfN(origin, 0, 4).Draw(t, "list")
		slices.SortFunc(list, id.Origin.Compare)
		return slices.Compact(list)
	})
	p := Packet{
		To:      Peer{id.Region(rapid.Uint16().Draw(t, "to")), number.Draw(t, "replica")},
		From:    Peer{id.Region(rapid.Uint16().Draw(t, "from")), number.Draw(t, "replica")},
		Kind:    PacketKind(rapid.Uint8Range(uint8(PacketSubscribe), uint8(PacketNews)).Draw(t, "kind")),
		Session: rapid.Uint64().Draw(t, "session"),
		Pulse: Pulse{
			Wall: rapid.Int64().Draw(t, "wall"), Leads: rapid.Bool().Draw(t, "leads"), Leader: number.Draw(t, "leader"),
			Vector: vector.Draw(t, "vector"),
		},
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "reports") {
		p.Pulse.Knows = append(p.Pulse.Knows, Report{id.Region(i * 7), vector.Draw(t, "known"), number.Draw(t, "age")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "marks") {
		first := id.Seq(number.Draw(t, "first"))
		p.Pulse.Marks = append(p.Pulse.Marks, Mark{
			Region: id.Region(rapid.Uint16().Draw(t, "holder")), Origin: origin.Draw(t, "marked"), First: first,
			Last: first + id.Seq(rapid.Uint64Range(0, 1000).Draw(t, "more")), Sum: rapid.Uint64().Draw(t, "sum"),
		})
	}
	switch p.Kind {
	case PacketSubscribe:
		p.Subscribe = &Subscription{
			Tenant: rapid.StringN(0, 20, 40).Draw(t, "tenant"), Origin: origin.Draw(t, "own"), Own: rapid.Bool().Draw(t, "all"),
			Relay: origins.Draw(t, "relay"), After: vector.Draw(t, "after"), Window: int64(number.Draw(t, "window")),
		}
	case PacketRefuse:
		p.Reason = Reason(rapid.Uint8Range(1, uint8(reasons)-1).Draw(t, "reason"))
		p.Text = rapid.StringN(0, 20, 40).Draw(t, "text")
	case PacketData:
		p.Number = number.Draw(t, "number")
		p.Gone = origins.Draw(t, "gone")
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			first := id.Seq(number.Draw(t, "first"))
			p.Items = append(p.Items, Item{
				Range: rapid.Bool().Draw(t, "range"), Origin: origin.Draw(t, "origin"), First: first,
				Last: first + id.Seq(rapid.Uint64Range(0, 1000).Draw(t, "more")),
				Data: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data"),
			})
		}
	case PacketAck:
		p.Number, p.Taken = rapid.Uint64().Draw(t, "number"), rapid.Uint64().Draw(t, "taken")
	case PacketAccept, PacketLeave, PacketNews:
	}
	return p
}

func FuzzDecodePacket(f *testing.F) {
	for _, p := range golden() {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePacket(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatal(err)
			}
			return
		}
		back, err := DecodePacket(p.Append(nil))
		if err != nil {
			t.Fatalf("%+v doesn't come back: %v", p, err)
		}
		if !reflect.DeepEqual(back, p) {
			t.Fatalf("%+v came back as %+v", p, back)
		}
	})
}
