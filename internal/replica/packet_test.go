package replica_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// packets are one of each sort: a heartbeat, and one about a snapshot.
func packets() map[string]replica.Packet {
	m := zeroOf(replica.Packet{}.Raft)
	setEnum(&m.Type, 8)
	m.From, m.To, m.Term, m.Commit = new(uint64(1)), new(uint64(300)), new(uint64(7)), new(uint64(5))
	return map[string]replica.Packet{
		"raft": {To: 300, From: 1, Kind: replica.PacketRaft, Raft: m},
		"pull": {To: 1, From: 300, Kind: replica.PacketSnapPull, Snap: &replica.Snap{
			Instant: replica.Instant{Index: 9, Term: 3}, Progress: replica.SnapProgress{Chunks: 1, After: []byte("k")},
		}},
	}
}

// TestPacketsHaveTheseBytes holds docs/format/packet.md.
func TestPacketsHaveTheseBytes(t *testing.T) {
	zeros := strings.Repeat("00", 32)
	for name, want := range map[string]string{
		"raft": "01 01 ac02 01" + "08 00 01 ac02 07 00 00 05 00 00 00",
		"pull": "01 03 01 ac02" + "09 03" + zeros + "01 00 01 6b" + zeros + "00 00 00 00",
	} {
		p := packets()[name]
		if got := hex.EncodeToString(p.Append(nil)); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s encodes as\n%s\nnot\n%s", name, got, want)
		}
		got, err := replica.DecodePacket(p.Append(nil))
		if err != nil || got.To != p.To || got.From != p.From || got.Kind != p.Kind || (got.Raft == nil) == (got.Snap == nil) {
			t.Errorf("%s comes out as %+v, %v", name, got, err)
		}
	}
}

func TestPacketsOfOthersAreRefused(t *testing.T) {
	p := packets()["raft"]
	good := p.Append(nil)
	for name, c := range map[string]struct {
		at    int
		value byte
		want  error
	}{
		"newer":        {0, 2, fault.ErrFormatTooNew},
		"no version":   {0, 0, fault.ErrCorrupt},
		"unknown kind": {1, 6, fault.ErrCorrupt},
		"to nobody":    {2, 0, fault.ErrCorrupt},
		"from nobody":  {4, 0, fault.ErrCorrupt},
		"own business": {5, 19, fault.ErrCorrupt},
	} {
		b := bytes.Clone(good)
		if b[c.at] = c.value; name == "to nobody" {
			b = append(b[:3], b[4:]...)
		}
		if got, err := replica.DecodePacket(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := replica.DecodePacket(nil); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("no bytes: %v", err)
	}
}

// FuzzDecodePacket: bytes from the network are a packet in its one encoding or refused, never a panic.
func FuzzDecodePacket(f *testing.F) {
	for _, p := range packets() {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := replica.DecodePacket(b)
		if err != nil {
			return
		}
		if again := p.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is %x", b, p, again)
		}
	})
}
