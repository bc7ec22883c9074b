package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// PacketKind says what a packet carries. The numbers travel.
type PacketKind uint8

// The kinds of packets.
const (
	// PacketRaft carries a message of consensus.
	PacketRaft PacketKind = iota + 1
	// PacketSnapOffer says that a leader has a snapshot for a follower whose entries are gone.
	PacketSnapOffer
	// PacketSnapPull asks for the next chunk of one.
	PacketSnapPull
	// PacketSnapChunk carries a chunk.
	PacketSnapChunk
	// PacketSnapDone ends it.
	PacketSnapDone
)

func (k PacketKind) String() string {
	switch k {
	case PacketRaft:
		return "raft"
	case PacketSnapOffer:
		return "snap-offer"
	case PacketSnapPull:
		return "snap-pull"
	case PacketSnapChunk:
		return "snap-chunk"
	case PacketSnapDone:
		return "snap-done"
	}
	return fmt.Sprintf("packet(%d)", uint8(k))
}

// Packet is what a replica sends to another one of its group. A packet may be lost, delayed, repeated and overtaken.
type Packet struct {
	// To and From are the replicas' numbers.
	To, From uint64
	Kind     PacketKind
	// Raft is set in packets of kind [PacketRaft], and Snap in all others.
	Raft consensus.Message
	Snap *Snap
}

// packetVersion is the version of the encoding.
const packetVersion = 1

// Append appends the bytes of docs/format/packet.md.
func (p *Packet) Append(dst []byte) []byte {
	dst = append(dst, packetVersion, byte(p.Kind))
	dst = binary.AppendUvarint(dst, p.To)
	dst = binary.AppendUvarint(dst, p.From)
	if p.Kind == PacketRaft {
		return consensus.AppendMessage(dst, p.Raft)
	}
	return p.Snap.append(dst)
}

// DecodePacket reads what [Packet.Append] wrote. The packet's long parts alias b, which must not change any more. The
// error is [fault.ErrFormatTooNew] for a packet of a newer program, and a [fault.Corrupt] for anything else.
func DecodePacket(b []byte) (Packet, error) {
	if len(b) < 2 {
		return Packet{}, fault.Damaged("", int64(len(b)), "packet of %d bytes", len(b))
	}
	if b[0] > packetVersion {
		return Packet{}, fmt.Errorf("packet of version %d: %w", b[0], fault.ErrFormatTooNew)
	}
	p := Packet{Kind: PacketKind(b[1])}
	if b[0] != packetVersion || p.Kind < PacketRaft || p.Kind > PacketSnapDone {
		return Packet{}, fault.Damaged("", 0, "packet of version %d and kind %d", b[0], b[1])
	}
	r := snapReader{b: b[2:]}
	p.To, p.From = r.uvarint(), r.uvarint()
	if r.bad || p.To == 0 || p.From == 0 || p.To > consensus.MaxNumber || p.From > consensus.MaxNumber {
		return Packet{}, fault.Damaged("", 2, "packet from replica %d to %d", p.From, p.To)
	}
	var err error
	if p.Kind == PacketRaft {
		p.Raft, err = consensus.DecodeMessage(r.b)
	} else {
		p.Snap, err = decodeSnap(r.b)
	}
	if err != nil {
		return Packet{}, fmt.Errorf("%v packet from replica %d: %w", p.Kind, p.From, err)
	}
	return p, nil
}
