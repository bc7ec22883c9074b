package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The versions of the protocol that this program speaks. A connection uses the highest that both ends have.
const (
	minVersion = 1
	maxVersion = 1
)

// class is what a connection is for. The numbers travel.
type class uint8

const (
	urgent class = 1 + iota
	bulk
	asking
)

func (c class) String() string {
	switch c {
	case urgent:
		return "urgent"
	case bulk:
		return "bulk"
	}
	return "ask"
}

const (
	magic = "tidalnet"
	// greetingHeader is the fixed part of a hello and a welcome: magic, which of the two, lowest and highest version, the
	// chosen version, and the length of the body.
	greetingHeader = len(magic) + 4 + 2
	// maxAddress is the longest address in bytes that a hello carries, maxText the longest text of a refusal.
	maxAddress = 255
	maxText    = 1024

	isHello   = 1
	isWelcome = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// hello is what the end says first that has dialled.
type hello struct {
	min, max uint8
	class    class
	from     Identity
	to       uint64 // the number that is looked for; 0 of a question: whoever is there
	process  uint64 // drawn when the process started
	address  string // where from is reached; "" if it doesn't say
}

// welcome is the answer: the chosen version, or a reason.
type welcome struct {
	min, max, version uint8
	reason            Reason
	here              Identity
	text              string
}

func (h *hello) append(dst []byte) []byte {
	body := append([]byte{byte(h.class)}, h.from.append(nil)...)
	body = binary.LittleEndian.AppendUint64(body, h.to)
	body = binary.LittleEndian.AppendUint64(body, h.process)
	body = append(body, byte(len(h.address)))
	body = append(body, h.address...)
	return appendGreeting(dst, isHello, h.min, h.max, 0, body)
}

func (w *welcome) append(dst []byte) []byte {
	text := w.text
	if len(text) > maxText {
		text = text[:maxText]
	}
	body := append([]byte{byte(w.reason)}, w.here.append(nil)...)
	body = binary.LittleEndian.AppendUint16(body, uint16(len(text)))
	body = append(body, text...)
	return appendGreeting(dst, isWelcome, w.min, w.max, w.version, body)
}

func (id *Identity) append(dst []byte) []byte {
	dst = append(dst, id.Cluster[:]...)
	dst = binary.LittleEndian.AppendUint16(dst, id.Region)
	dst = binary.LittleEndian.AppendUint16(dst, id.Shard)
	dst = binary.LittleEndian.AppendUint64(dst, id.Replica)
	return binary.LittleEndian.AppendUint32(dst, id.Version)
}

const identitySize = 16 + 2 + 2 + 8 + 4

func decodeIdentity(b []byte) (id Identity) {
	copy(id.Cluster[:], b)
	id.Region = binary.LittleEndian.Uint16(b[16:])
	id.Shard = binary.LittleEndian.Uint16(b[18:])
	id.Replica = binary.LittleEndian.Uint64(b[20:])
	id.Version = binary.LittleEndian.Uint32(b[28:])
	return id
}

func appendGreeting(dst []byte, kind, lowest, highest, version uint8, body []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, kind, lowest, highest, version)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(body)))
	dst = append(dst, body...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

var (
	errNotOurs = errors.New("what came isn't this protocol")
	errTLS     = errors.New("what came is TLS")
	errDamaged = errors.New("what came is damaged")
)

// greeting is a hello or welcome whose checksum holds, its body not yet looked at.
type greeting struct {
	kind              uint8
	min, max, version uint8
	body              []byte
}

// readGreeting reads one of either kind from a connection; it takes memory for at most 64 KiB.
func readGreeting(r io.Reader) (greeting, error) {
	head := make([]byte, greetingHeader, 256)
	if _, err := io.ReadFull(r, head[:len(magic)]); err != nil {
		return greeting{}, err
	}
	if string(head[:len(magic)]) != magic {
		if head[0] == 0x16 && head[1] == 3 { // a handshake of TLS
			return greeting{}, errTLS
		}
		return greeting{}, errNotOurs
	}
	if _, err := io.ReadFull(r, head[len(magic):]); err != nil {
		return greeting{}, noEnd(err)
	}
	g := greeting{kind: head[8], min: head[9], max: head[10], version: head[11]}
	if g.kind != isHello && g.kind != isWelcome || g.min == 0 || g.min > g.max {
		return g, errDamaged
	}
	size := int(binary.LittleEndian.Uint16(head[12:]))
	all := append(head, make([]byte, size+4)...)
	if _, err := io.ReadFull(r, all[greetingHeader:]); err != nil {
		return g, noEnd(err)
	}
	end := greetingHeader + size
	if crc32.Checksum(all[:end], castagnoli) != binary.LittleEndian.Uint32(all[end:]) {
		return g, errDamaged
	}
	g.body = all[greetingHeader:end]
	return g, nil
}

// noEnd makes the end of a stream in the middle of something an error.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// hello decodes the body. One of a version that this program doesn't know may be longer than what it knows of it.
func (g *greeting) hello() (hello, error) {
	h := hello{min: g.min, max: g.max}
	const fixed = 1 + identitySize + 8 + 8 + 1
	if len(g.body) < fixed || g.version != 0 || g.kind != isHello {
		return h, errDamaged
	}
	h.class = class(g.body[0])
	h.from = decodeIdentity(g.body[1:])
	rest := g.body[1+identitySize:]
	h.to = binary.LittleEndian.Uint64(rest)
	h.process = binary.LittleEndian.Uint64(rest[8:])
	n := int(rest[16])
	if len(g.body) < fixed+n || len(g.body) > fixed+n && g.max <= maxVersion || h.class < urgent || h.class > asking {
		return h, errDamaged
	}
	h.address = string(rest[17 : 17+n])
	return h, nil
}

// welcome decodes the body, which is the same in all versions.
func (g *greeting) welcome() (welcome, error) {
	w := welcome{min: g.min, max: g.max, version: g.version}
	const fixed = 1 + identitySize + 2
	if len(g.body) < fixed || g.kind != isWelcome {
		return w, errDamaged
	}
	w.reason = Reason(g.body[0])
	w.here = decodeIdentity(g.body[1:])
	n := int(binary.LittleEndian.Uint16(g.body[1+identitySize:]))
	if n > maxText || len(g.body) != fixed+n || (w.reason == ReasonNone) != (w.version != 0) {
		return w, errDamaged
	}
	if w.reason == ReasonNone && n != 0 || w.version != 0 && (w.version < w.min || w.version > w.max) {
		return w, errDamaged
	}
	w.text = string(g.body[fixed:])
	return w, nil
}

// refusal is what a welcome refuses for, nil if it doesn't or is none. Who has dialled sends one instead of a hello if it
// can't trust whom it has reached.
func (g *greeting) refusal() *Refusal {
	if w, err := g.welcome(); err == nil && w.reason != ReasonNone {
		return &Refusal{Reason: w.reason, Text: w.text, Remote: true}
	}
	return nil
}

// choose returns the version that two ends use, or why there is none.
func choose(g *greeting) (uint8, *Refusal) {
	version := min(g.max, maxVersion)
	if version < max(g.min, minVersion) {
		return 0, &Refusal{Reason: ReasonVersion, Text: fmt.Sprintf(
			"it speaks the versions %d to %d of the protocol, and this end %d to %d; bring both programs to neighbouring releases",
			g.min, g.max, minVersion, maxVersion)}
	}
	return version, nil
}
