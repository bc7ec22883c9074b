package consensus

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Messages on the wire. The encoding is ours and not the library's: one value has one encoding, decoding copies no entry, and what
// isn't meant to travel can't be forged. docs/format/packet.md shows the bytes.

// The types that travel, by their number there: Raft's.
func travels(t pb.MessageType) bool {
	switch t {
	case pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgHeartbeat, pb.MsgHeartbeatResp, pb.MsgTransferLeader,
		pb.MsgTimeoutNow, pb.MsgReadIndex, pb.MsgReadIndexResp, pb.MsgPreVote, pb.MsgPreVoteResp:
		return true
	default:
		return false
	}
}

const (
	// maxContext bounds the context of a message: that of a transfer's vote, a heartbeat's or a read's.
	maxContext = 64
	// maxData bounds the data of an entry: that of the log's longest.
	maxData = 8 << 20
	// rejected is the flag of a message that says no.
	rejected = 1
)

// AppendMessage appends the encoding of a message that a Ready gave out.
func AppendMessage(dst []byte, m Message) []byte {
	if !travels(m.GetType()) {
		panic(fmt.Sprintf("consensus: %v doesn't travel", m.GetType()))
	}
	flags := byte(0)
	if m.GetReject() {
		flags = rejected
	}
	dst = append(dst, byte(m.GetType()), flags)
	for _, v := range []uint64{
		m.GetFrom(), m.GetTo(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetRejectHint(),
	} {
		dst = appendUvarint(dst, v)
	}
	dst = appendText(dst, m.GetContext())
	dst = appendUvarint(dst, uint64(len(m.GetEntries())))
	for _, e := range m.GetEntries() {
		dst = append(dst, byte(e.GetType()))
		dst = appendUvarint(dst, e.GetTerm())
		dst = appendUvarint(dst, e.GetIndex())
		dst = appendText(dst, e.GetData())
	}
	return dst
}

// DecodeMessage reads what [AppendMessage] wrote. The entries' data alias b, which must not change any more.
func DecodeMessage(b []byte) (Message, error) {
	r := reader{rest: b}
	kind, flags := pb.MessageType(r.byte()), r.byte()
	if r.err == nil && (!travels(kind) || flags > rejected) {
		return nil, fault.Damaged("", 0, "message of type %d with flags %d", kind, flags)
	}
	m := &pb.Message{
		Type: &kind, From: new(r.uvarint()), To: new(r.uvarint()), Term: new(r.uvarint()), LogTerm: new(r.uvarint()),
		Index: new(r.uvarint()), Commit: new(r.uvarint()), RejectHint: new(r.uvarint()), Reject: new(flags == rejected),
	}
	if c := r.bytes(maxContext); len(c) > 0 {
		m.Context = c
	}
	n := r.uvarint()
	if n > uint64(len(r.rest))/4 { // an entry has at least four bytes
		r.fail("%d entries in %d bytes", n, len(r.rest))
		n = 0
	}
	for i := uint64(0); i < n && r.err == nil; i++ {
		m.Entries = append(m.Entries, r.entry())
	}
	r.end()
	if r.err == nil {
		r.err = checkMessage(m)
	}
	if r.err != nil {
		return nil, fmt.Errorf("message: %w", r.err)
	}
	return m, nil
}

func (r *reader) entry() *pb.Entry {
	kind := pb.EntryType(r.byte())
	if kind > pb.EntryConfChangeV2 {
		r.fail("entry of type %d", kind)
	}
	e := &pb.Entry{Type: &kind, Term: new(r.uvarint()), Index: new(r.uvarint())}
	if data := r.bytes(maxData); len(data) > 0 {
		e.Data = data
	}
	return e
}

// checkMessage refuses what no replica sends and Raft would stumble over.
func checkMessage(m *pb.Message) error {
	bad := func(format string, args ...any) error {
		return fault.Damaged("", 0, "%v: %s", m.GetType(), fmt.Sprintf(format, args...))
	}
	if m.GetFrom() == 0 || m.GetTo() == 0 || m.GetFrom() > MaxNumber || m.GetTo() > MaxNumber {
		return bad("from %d to %d", m.GetFrom(), m.GetTo())
	}
	entries := m.GetEntries()
	switch m.GetType() {
	case pb.MsgReadIndex, pb.MsgReadIndexResp:
		if len(entries) != 1 {
			return bad("%d questions", len(entries))
		}
		return nil
	case pb.MsgTransferLeader:
	case pb.MsgApp:
		if m.GetTerm() == 0 {
			return bad("no term")
		}
		index, term := m.GetIndex(), m.GetLogTerm()
		for _, e := range entries {
			if e.GetIndex() != index+1 || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
				return bad("entry %d/%d behind %d/%d in term %d", e.GetIndex(), e.GetTerm(), index, term, m.GetTerm())
			}
			index, term = e.GetIndex(), e.GetTerm()
		}
		return nil
	default:
		if m.GetTerm() == 0 {
			return bad("no term")
		}
	}
	if len(entries) > 0 {
		return bad("%d entries", len(entries))
	}
	return nil
}

// MaxNumber is the highest number that a replica may have.
const MaxNumber = 1<<48 - 1

// PassedOn reports whether a message may be a wish that a follower passes on: its sender isn't who speaks.
func PassedOn(m Message) bool {
	return m.GetType() == pb.MsgReadIndex || m.GetType() == pb.MsgTransferLeader
}
