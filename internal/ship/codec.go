package ship

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// docs/format/ship.md describes the bytes of this file.

// packetVersion is the version of the encoding.
const packetVersion = 1

// squeezeFrom is from how many bytes of data on compressing them is tried. It is kept if it saves an eighth.
const squeezeFrom = 512

// The flags of a pulse, of a subscription and of an item, and how data is packed.
const (
	pulseLeads = 1 << 0
	pulseMarks = 1 << 1

	wantsOwn = 1 << 0

	itemRange = 1 << 0

	packedRaw = 0
	packedS2  = 1
)

// Append appends the bytes of docs/format/ship.md.
func (p *Packet) Append(dst []byte) []byte {
	dst = append(dst, packetVersion, byte(p.Kind))
	for _, end := range [2]Peer{p.To, p.From} {
		dst = binary.AppendUvarint(dst, uint64(end.Region))
		dst = binary.AppendUvarint(dst, end.Replica)
	}
	dst = binary.LittleEndian.AppendUint64(dst, p.Session)
	dst = p.Pulse.append(dst)
	switch p.Kind {
	case PacketSubscribe:
		dst = p.appendName(p.Subscribe.append(dst))
	case PacketAccept:
		dst = p.appendName(dst)
	case PacketRefuse:
		dst = append(dst, byte(p.Reason))
		dst = appendBytes(dst, p.Text[:min(len(p.Text), maxText)])
	case PacketData:
		dst = binary.AppendUvarint(dst, p.Number)
		dst = appendOrigins(dst, p.Gone)
		dst = p.appendItems(dst)
	case PacketAck:
		dst = binary.AppendUvarint(dst, p.Number)
		dst = binary.AppendUvarint(dst, p.Taken)
	case PacketLeave, PacketNews:
	}
	return dst
}

// appendName ends a packet with a region's name; one that isn't known is left out.
func (p *Packet) appendName(dst []byte) []byte {
	if p.Name == "" {
		return dst
	}
	return appendBytes(dst, p.Name[:min(len(p.Name), maxName)])
}

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendOrigin(dst []byte, o id.Origin) []byte {
	return binary.BigEndian.AppendUint64(dst, o.Packed())
}

func appendOrigins(dst []byte, list []id.Origin) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, o := range list {
		dst = appendOrigin(dst, o)
	}
	return dst
}

func (p *Pulse) append(dst []byte) []byte {
	flags := byte(0)
	if p.Leads {
		flags |= pulseLeads
	}
	if len(p.Marks) > 0 {
		flags |= pulseMarks
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Wall))
	dst = binary.AppendUvarint(dst, p.Leader)
	dst = p.Vector.AppendBinary(dst)
	dst = binary.AppendUvarint(dst, uint64(len(p.Knows)))
	for i := range p.Knows {
		r := &p.Knows[i]
		dst = binary.AppendUvarint(dst, uint64(r.Region))
		dst = binary.AppendUvarint(dst, r.Age)
		dst = r.Vector.AppendBinary(dst)
	}
	if len(p.Marks) > 0 {
		dst = appendMarks(dst, p.Marks)
	}
	return dst
}

func appendMarks(dst []byte, list []Mark) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, m := range list {
		dst = appendOrigin(binary.AppendUvarint(dst, uint64(m.Region)), m.Origin)
		dst = binary.AppendUvarint(dst, uint64(m.First))
		dst = binary.AppendUvarint(dst, uint64(m.Last-m.First))
		dst = binary.LittleEndian.AppendUint64(dst, m.Sum)
	}
	return dst
}

func (s *Subscription) append(dst []byte) []byte {
	dst = append(dst, s.Cluster[:]...)
	dst = appendBytes(dst, s.Tenant)
	dst = appendOrigin(dst, s.Origin)
	flags := byte(0)
	if s.Own {
		flags |= wantsOwn
	}
	dst = append(dst, flags)
	dst = appendOrigins(dst, s.Relay)
	dst = s.After.AppendBinary(dst)
	return binary.AppendUvarint(dst, uint64(s.Window))
}

// appendItems appends what says where each item is, and then all their bytes, as one run.
func (p *Packet) appendItems(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p.Items)))
	total := 0
	for i := range p.Items {
		it := &p.Items[i]
		flags := byte(0)
		if it.Range {
			flags |= itemRange
		}
		dst = appendOrigin(append(dst, flags), it.Origin)
		dst = binary.AppendUvarint(dst, uint64(it.First))
		dst = binary.AppendUvarint(dst, uint64(it.Last-it.First))
		dst = binary.AppendUvarint(dst, uint64(len(it.Data)))
		total += len(it.Data)
	}
	if total >= squeezeFrom {
		run := make([]byte, 0, total)
		for i := range p.Items {
			run = append(run, p.Items[i].Data...)
		}
		if squeezed := s2.Encode(nil, run); len(squeezed) <= total-total/8 {
			return append(append(dst, packedS2), squeezed...)
		}
		return append(append(dst, packedRaw), run...)
	}
	dst = append(dst, packedRaw)
	for i := range p.Items {
		dst = append(dst, p.Items[i].Data...)
	}
	return dst
}

// DecodePacket reads what [Packet.Append] wrote. Its long parts may alias b, which must not change any more. The error is
// [fault.ErrFormatTooNew] for a packet of a newer program, and a [fault.Corrupt] for anything else. What the items hold isn't
// looked at: see [Packet.Check].
func DecodePacket(b []byte) (Packet, error) {
	if len(b) < 2 {
		return Packet{}, fault.Damaged("", int64(len(b)), "packet of %d bytes", len(b))
	}
	if b[0] > packetVersion {
		return Packet{}, fmt.Errorf("packet of version %d: %w", b[0], fault.ErrFormatTooNew)
	}
	p := Packet{Kind: PacketKind(b[1])}
	if b[0] != packetVersion || p.Kind < PacketSubscribe || p.Kind > PacketNews {
		return Packet{}, fault.Damaged("", 0, "packet of version %d and kind %d", b[0], b[1])
	}
	r := reader{b: b[2:], size: len(b)}
	p.To, p.From = r.peer(), r.peer()
	p.Session = r.u64()
	r.pulse(&p.Pulse)
	switch p.Kind {
	case PacketSubscribe:
		p.Subscribe = r.subscription()
		p.Name = r.name()
	case PacketAccept:
		p.Name = r.name()
	case PacketRefuse:
		p.Reason = Reason(r.u8())
		if p.Reason == ReasonNone || p.Reason >= reasons {
			r.fail("unknown reason")
		}
		p.Text = string(r.bytes(maxText))
	case PacketData:
		p.Number = r.uvarint()
		p.Gone = r.origins()
		p.Items = r.items()
	case PacketAck:
		p.Number, p.Taken = r.uvarint(), r.uvarint()
	case PacketLeave, PacketNews:
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind the end")
	}
	if r.err != nil {
		return Packet{}, fmt.Errorf("%v packet: %w", p.Kind, r.err)
	}
	return p, nil
}

// reader takes bytes apart. Behind the first mistake it returns nothing.
type reader struct {
	b    []byte
	size int
	err  error
}

func (r *reader) fail(reason string) {
	if r.err == nil {
		r.err = fault.Damaged("", int64(r.size-len(r.b)), "%s", reason)
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	// One number has one form, so that what was read can be compared with what was sent.
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail("a number is cut short or too long")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) atMost(limit uint64, what string) uint64 {
	v := r.uvarint()
	if v > limit {
		r.fail(what + " is above its limit")
		return 0
	}
	return v
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("a field is cut short")
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) flags(known byte) byte {
	f := r.u8()
	if f&^known != 0 {
		r.fail("unknown flag")
	}
	return f
}

func (r *reader) bytes(limit uint64) []byte { return r.take(int(r.atMost(limit, "length"))) }

// name reads a region's name at the end of a packet, which may be left out.
func (r *reader) name() string {
	if len(r.b) == 0 {
		return ""
	}
	s := string(r.bytes(maxName))
	if s == "" {
		r.fail("a region's name is empty")
	}
	return s
}

func (r *reader) peer() Peer {
	p := Peer{Region: id.Region(r.atMost(1<<16-1, "region")), Replica: r.atMost(1<<47-1, "replica")}
	if p.Replica == 0 {
		r.fail("replica 0")
	}
	return p
}

func (r *reader) origin() id.Origin {
	if b := r.take(8); b != nil {
		return id.UnpackOrigin(binary.BigEndian.Uint64(b))
	}
	return id.Origin{}
}

func (r *reader) origins() []id.Origin {
	n := int(r.atMost(min(maxOrigins, uint64(len(r.b)/8)), "number of origins"))
	var out []id.Origin
	for i := range n {
		o := r.origin()
		if r.err == nil && i > 0 && out[i-1].Compare(o) >= 0 {
			r.fail("origins don't rise")
		}
		out = append(out, o)
	}
	if r.err != nil {
		return nil
	}
	return out
}

func (r *reader) vector() id.VersionVector {
	if r.err != nil {
		return id.VersionVector{}
	}
	v, rest, err := id.DecodeVersionVector(r.b)
	if err != nil {
		r.fail("a version vector can't be read")
		return v
	}
	r.b = rest
	return v
}

func (r *reader) pulse(p *Pulse) {
	flags := r.flags(pulseLeads | pulseMarks)
	p.Leads = flags&pulseLeads != 0
	p.Wall = int64(r.u64())
	p.Leader = r.atMost(1<<47-1, "replica")
	p.Vector = r.vector()
	n := r.atMost(maxReports, "number of reports")
	for i := range n {
		x := Report{Region: id.Region(r.atMost(1<<16-1, "region")), Age: r.uvarint(), Vector: r.vector()}
		if r.err == nil && i > 0 && p.Knows[i-1].Region >= x.Region {
			r.fail("reports don't rise")
		}
		if r.err != nil {
			return
		}
		p.Knows = append(p.Knows, x)
	}
	if flags&pulseMarks != 0 {
		p.Marks = r.marks()
	}
}

// marks reads one mark or more.
func (r *reader) marks() []Mark {
	n := r.atMost(min(maxEnds, uint64(len(r.b)/19)), "number of marks") // each has 19 bytes at least
	if n == 0 {
		r.fail("marks without one")
	}
	var out []Mark
	for range n {
		m := Mark{Region: id.Region(r.atMost(1<<16-1, "region")), Origin: r.origin(), First: id.Seq(r.uvarint())}
		m.Last = m.First + id.Seq(r.uvarint())
		m.Sum = r.u64()
		if r.err == nil && (m.First == 0 || m.Last < m.First) {
			r.fail("a mark is empty or out of range")
		}
		if r.err != nil {
			return nil
		}
		out = append(out, m)
	}
	return out
}

func (r *reader) subscription() *Subscription {
	s := &Subscription{}
	copy(s.Cluster[:], r.take(16))
	s.Tenant = string(r.bytes(maxTenant))
	s.Origin = r.origin()
	s.Own = r.flags(wantsOwn) != 0
	s.Relay = r.origins()
	s.After = r.vector()
	s.Window = int64(r.atMost(1<<62, "window"))
	return s
}

// items reads the places of all items, and hands out their bytes.
func (r *reader) items() []Item {
	n := int(r.atMost(min(maxItems, uint64(len(r.b))), "number of items"))
	var out []Item
	sizes := make([]int, 0, n)
	total := 0
	for range n {
		it := Item{Range: r.flags(itemRange) != 0, Origin: r.origin(), First: id.Seq(r.uvarint())}
		more := r.uvarint()
		it.Last = it.First + id.Seq(more)
		size := int(r.atMost(MaxPacket, "item"))
		if total += size; r.err == nil && (it.First == 0 || it.Last < it.First || size == 0 || total > MaxPacket) {
			r.fail("an item is empty, out of range or too long")
		}
		if r.err != nil {
			return nil
		}
		out, sizes = append(out, it), append(sizes, size)
	}
	run := r.run(total)
	if r.err != nil {
		return nil
	}
	for i, size := range sizes {
		out[i].Data, run = run[:size:size], run[size:]
	}
	return out
}

// run reads the bytes of all items.
func (r *reader) run(total int) []byte {
	switch packed := r.u8(); packed {
	case packedRaw:
		return r.take(total)
	case packedS2:
		if n, err := s2.DecodedLen(r.b); err != nil || n != total {
			r.fail("compressed data has another length than its items")
			return nil
		}
		run, err := s2.Decode(nil, r.b)
		if err != nil || len(run) != total {
			r.fail("data can't be decompressed")
			return nil
		}
		r.b = nil
		return run
	}
	r.fail("unknown packing")
	return nil
}
