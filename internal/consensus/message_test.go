package consensus_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func appendOf(term, index, logTerm uint64, entries ...*raftpb.Entry) consensus.Message {
	return &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(uint64(1)), To: new(uint64(300)), Term: &term, Index: &index,
		LogTerm: &logTerm, Commit: new(uint64(129)), Entries: entries,
	}
}

func raftEntry(kind raftpb.EntryType, term, index uint64, data string) *raftpb.Entry {
	e := &raftpb.Entry{Type: &kind, Term: &term, Index: &index}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

// TestMessagesHaveTheseBytes holds docs/format/packet.md.
func TestMessagesHaveTheseBytes(t *testing.T) {
	for name, c := range map[string]struct {
		message consensus.Message
		want    string
	}{
		"entries": {
			appendOf(7, 130, 6, raftEntry(raftpb.EntryNormal, 7, 131, ""), raftEntry(raftpb.EntryNormal, 7, 132, "batch"),
				raftEntry(raftpb.EntryConfChange, 7, 133, "\x10\x00\x18\x02")),
			"03 00 01 ac02 07 06 8201 8101 00 00 03" + "00 07 8301 00" + "00 07 8401 05 6261746368" + "01 07 8501 04 10001802",
		},
		"no": {
			&raftpb.Message{
				Type: raftpb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(7)),
				Index: new(uint64(130)), LogTerm: new(uint64(5)), Reject: new(true), RejectHint: new(uint64(9)),
			},
			"04 01 02 01 07 05 8201 00 09 00 00",
		},
		"transfer's vote": {
			&raftpb.Message{
				Type: raftpb.MsgVote.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(8)),
				Index: new(uint64(3)), LogTerm: new(uint64(2)), Context: []byte("x"),
			},
			"05 00 02 01 08 02 03 00 00 01 78 00",
		},
	} {
		want := strings.ReplaceAll(c.want, " ", "")
		if got := hex.EncodeToString(consensus.AppendMessage(nil, c.message)); got != want {
			t.Errorf("%s: encodes as\n%s\nnot\n%s", name, got, want)
		}
	}
}

// TestMessagesComeOutAsTheyWentIn draws messages that replicas send, and every cut of their bytes.
func TestMessagesComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64Range(1, consensus.MaxNumber)
		want := &raftpb.Message{
			Type: rapid.SampledFrom([]raftpb.MessageType{
				raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
				raftpb.MsgTransferLeader, raftpb.MsgTimeoutNow, raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
			}).Draw(t, "type").Enum(),
			From: new(number.Draw(t, "from")), To: new(number.Draw(t, "to")),
			Term: new(rapid.Uint64Min(1).Draw(t, "term")), LogTerm: new(rapid.Uint64().Draw(t, "log term")),
			Index: new(rapid.Uint64().Draw(t, "index")), Commit: new(rapid.Uint64().Draw(t, "commit")),
			RejectHint: new(rapid.Uint64().Draw(t, "hint")), Reject: new(rapid.Bool().Draw(t, "reject")),
		}
		if c := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "context"); len(c) > 0 {
			want.Context = c
		}
		if rapid.Bool().Draw(t, "entries") {
			want = drawAppend(t)
		}
		b := consensus.AppendMessage(nil, want)
		got, err := consensus.DecodeMessage(b)
		if err != nil || !bytes.Equal(consensus.AppendMessage(nil, got), b) || got.GetType() != want.GetType() ||
			len(got.GetEntries()) != len(want.GetEntries()) {
			t.Fatalf("%v comes out as %v, %v", want, got, err)
		}
		if got, err := consensus.DecodeMessage(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Fatalf("a part of %v is read as %v", want, got)
		}
		if got, err := consensus.DecodeMessage(append(bytes.Clone(b), 0)); err == nil {
			t.Fatalf("a byte too many is read as %v", got)
		}
	})
}

func drawAppend(t *rapid.T) consensus.Message {
	index, term := rapid.Uint64Range(0, 1<<40).Draw(t, "at"), rapid.Uint64Range(0, 1<<40).Draw(t, "of")
	m := appendOf(term+1000, index, term)
	for range rapid.IntRange(0, 5).Draw(t, "n") {
		index++
		term += rapid.Uint64Range(0, 3).Draw(t, "later")
		kind := rapid.SampledFrom([]raftpb.EntryType{
			raftpb.EntryNormal, raftpb.EntryConfChange, raftpb.EntryConfChangeV2,
		}).Draw(t, "kind")
		m.Entries = append(m.Entries, raftEntry(kind, term, index, rapid.StringN(0, 20, 80).Draw(t, "data")))
	}
	return m
}

// TestMessagesThatNobodySendsAreRefused: what a replica would stumble over, or what is its own business.
func TestMessagesThatNobodySendsAreRefused(t *testing.T) {
	normal := raftpb.EntryNormal
	for name, m := range map[string]consensus.Message{
		"hole":                appendOf(7, 1, 1, raftEntry(normal, 7, 3, "x")),
		"falling term":        appendOf(7, 1, 5, raftEntry(normal, 4, 2, "x")),
		"entry of the future": appendOf(7, 1, 1, raftEntry(normal, 8, 2, "x")),
		"no term":             appendOf(0, 1, 0),
		"vote with entries": {
			Type: raftpb.MsgVote.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(1)),
			Entries: []*raftpb.Entry{raftEntry(normal, 1, 1, "")},
		},
		"read without question": {Type: raftpb.MsgReadIndex.Enum(), From: new(uint64(1)), To: new(uint64(2))},
		"nobody":                {Type: raftpb.MsgHeartbeat.Enum(), To: new(uint64(2)), Term: new(uint64(1))},
		"a thread":              {Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1<<64 - 1)), To: new(uint64(2)), Term: new(uint64(1))},
	} {
		if got, err := consensus.DecodeMessage(consensus.AppendMessage(nil, m)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: read as %v, %v", name, got, err)
		}
	}
	for _, own := range []raftpb.MessageType{
		raftpb.MsgHup, raftpb.MsgProp, raftpb.MsgSnap, raftpb.MsgStorageAppendResp, raftpb.MsgCheckQuorum, 99,
	} {
		if _, err := consensus.DecodeMessage(append([]byte{byte(own)}, make([]byte, 20)...)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%v: %v", own, err)
		}
	}
}

// FuzzDecodeMessage: bytes from elsewhere are a message in its one encoding or damage, never a panic.
func FuzzDecodeMessage(f *testing.F) {
	f.Add(consensus.AppendMessage(nil, appendOf(7, 130, 6, raftEntry(raftpb.EntryNormal, 7, 131, "x"))))
	f.Add([]byte{3, 0, 1, 2, 7, 6, 1, 1, 0, 0, 200, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := consensus.DecodeMessage(b)
		if err != nil {
			return
		}
		if again := consensus.AppendMessage(nil, m); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %v, which is %x", b, m, again)
		}
	})
}

// TestMembersHaveTheseBytes holds docs/format/store.md: Raft's own encoding as long as it says everything, else ours.
func TestMembersHaveTheseBytes(t *testing.T) {
	var m consensus.Members
	next := func(index uint64, c *raftpb.ConfChange) {
		data, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		m, err = m.After(consensus.Entry{Kind: consensus.Configuration, Term: 1, Index: index, Data: append([]byte{1}, data...)})
		if err != nil {
			t.Fatal(err)
		}
	}
	place := func(address, url string) []byte {
		return fmt.Appendf(nil, "\x01%c%s%c%s", len(address), address, len(url), url)
	}
	for i, step := range []struct {
		change *raftpb.ConfChange
		want   string
	}{
		{&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(1))}, "0801 2800"},
		{
			&raftpb.ConfChange{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(2)), Context: place("h:1", "")},
			"0001 06 0801 1002 2800" + "02 01" + "02 03683a31 00",
		},
		{
			&raftpb.ConfChange{Type: raftpb.ConfChangeUpdateNode.Enum(), NodeId: new(uint64(1)), Context: place("h", "u")},
			"0001 06 0801 1002 2800" + "02 02" + "01 0168 0175" + "02 03683a31 00",
		},
		{
			&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(2))},
			"0001 06 0801 0802 2800" + "02 02" + "01 0168 0175" + "02 03683a31 00",
		},
		{&raftpb.ConfChange{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(2))}, "0001 04 0801 2800" + "02 01" + "01 0168 0175"},
		{&raftpb.ConfChange{Type: raftpb.ConfChangeUpdateNode.Enum(), NodeId: new(uint64(1))}, "0001 04 0801 2800" + "02 00"},
		{&raftpb.ConfChange{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(3))}, "0801 1003 2800"},
	} {
		next(uint64(i+1), step.change)
		want := strings.ReplaceAll(step.want, " ", "")
		b := m.AppendBinary(nil)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("step %d encodes as\n%s\nnot\n%s", i, got, want)
		}
		again, err := consensus.DecodeMembers(b)
		if err != nil || fmt.Sprint(again.List()) != fmt.Sprint(m.List()) || again.Highest() != m.Highest() {
			t.Errorf("step %d: %v comes out as %v, %v", i, m.List(), again.List(), err)
		}
	}
}

// FuzzDecodeMembers: bytes of a checkpoint are a configuration or damage, never a panic. Ours have one encoding.
func FuzzDecodeMembers(f *testing.F) {
	for _, s := range []string{"08012800", "00010608011002280002010203683a3100", "0001040801280002010101680175", "0002"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := consensus.DecodeMembers(b)
		if err != nil {
			return
		}
		again := m.AppendBinary(nil)
		if len(b) > 0 && b[0] == 0 && !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %v, which is %x", b, m.List(), again)
		}
		second, err := consensus.DecodeMembers(again)
		if err != nil || !bytes.Equal(second.AppendBinary(nil), again) {
			t.Fatalf("%x is written as %x, and that isn't read: %v", b, again, err)
		}
	})
}
