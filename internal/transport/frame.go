package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// kind is what a frame is. The numbers travel.
type kind uint8

const (
	kindData    kind = 1 + iota // a frame of the handler's
	kindPing                    // 8 bytes, which a pong brings back
	kindPong                    // the bytes of a ping
	kindAlive                   // nothing: the process lives, whatever its handler does
	kindBye                     // a reason and a text: the connection ends
	kindRequest                 // a question
	kindAnswer                  // its answer
	kindFailure                 // the text of an error instead
	kinds
)

// frameHeader is the length, the kind and the checksum in front of the payload.
const frameHeader = 4 + 1 + 4

// longest returns how long the payload of a kind may be.
func (k kind) longest(maxFrame int) int {
	switch k {
	case kindData, kindRequest, kindAnswer:
		return maxFrame
	case kindPing, kindPong:
		return 8
	case kindBye, kindFailure:
		return 1 + maxText
	}
	return 0
}

// header returns the bytes in front of a payload.
func header(k kind, payload []byte) [frameHeader]byte {
	var h [frameHeader]byte
	binary.LittleEndian.PutUint32(h[:], uint32(len(payload)))
	h[4] = byte(k)
	binary.LittleEndian.PutUint32(h[5:], crc32.Update(crc32.Checksum(h[:5], castagnoli), castagnoli, payload))
	return h
}

func writeFrame(w io.Writer, k kind, payload []byte) error {
	h := header(k, payload)
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame reads one frame. The limit is checked before memory is taken. An end between two frames is io.EOF; damage and
// frames over the limit are a *Refusal.
func readFrame(r *bufio.Reader, maxFrame int) (kind, []byte, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	k, size := kind(h[4]), binary.LittleEndian.Uint32(h[:])
	if k == 0 || k >= kinds {
		return k, nil, &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("a frame is of kind %d, which this version doesn't know", k)}
	}
	if uint64(size) > uint64(k.longest(maxFrame)) {
		return k, nil, &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf(
			"a frame of kind %d has %d bytes; at most %d are taken here", k, size, k.longest(maxFrame))}
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return k, nil, noEnd(err)
	}
	if header(k, payload) != h {
		return k, nil, &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("the checksum of a frame of %d bytes doesn't hold", size)}
	}
	return k, payload, nil
}

// appendBye is the payload of a bye.
func appendBye(why *Refusal) []byte {
	text := why.Text
	if len(text) > maxText {
		text = text[:maxText]
	}
	return append([]byte{byte(why.Reason)}, text...)
}

func decodeBye(b []byte) *Refusal {
	if len(b) == 0 {
		return &Refusal{Reason: ReasonProtocol, Text: "it ended the connection and gave no reason", Remote: true}
	}
	return &Refusal{Reason: Reason(b[0]), Text: string(b[1:]), Remote: true}
}
