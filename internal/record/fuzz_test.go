package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

// FuzzOpen gives arbitrary bytes a checksum that holds, so that the fuzzer reaches what lies behind it: an error of
// the two allowed kinds, or a batch that is built again, byte by byte, from what was read.
func FuzzOpen(f *testing.F) {
	f.Add(sampleBatch(f))
	f.Add(versionOneOf(f, sampleBatch(f)))
	head := sampleHead()
	head.Projection, head.Last = true, head.First+100
	f.Add(build(f, head, func(*Builder) {}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= HeaderSize {
			data = bytes.Clone(data)
			n := uint64(len(data) - HeaderSize)
			binary.LittleEndian.PutUint64(data[32:], n)
			binary.LittleEndian.PutUint64(data[40:], n)
			reseal(data)
		}
		b, err := Open(data)
		if err == nil {
			err = b.Verify()
		}
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		again := rebuild(t, &b)
		if b.Header.Version == versionOne {
			again = versionOneOf(t, again)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("built again it differs:\n%x\n%x", data, again)
		}
	})
}

// FuzzBody decodes arbitrary bytes as the body of each kind: damage, or exactly these bytes again.
func FuzzBody(f *testing.F) {
	for _, p := range slices.Concat(samples(), []Proposed{collected()}, samplesOfLevel2()) {
		f.Add(byte(p.Kind), p.appendBody(nil))
	}
	for _, p := range samplesOfLevel3() {
		f.Add(byte(p.Kind), p.appendBody(nil))
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		if !Kind(kind).Known() {
			return
		}
		var p Proposed
		if err := p.DecodeBody(Kind(kind), body); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if err := p.checkBody(); err != nil {
			t.Fatalf("decoded what can't be written: %v", err)
		}
		if again := p.appendBody(nil); !bytes.Equal(again, body) {
			t.Fatalf("decoded and encoded:\n%x\n%x", body, again)
		}
	})
}

// FuzzHeader decodes arbitrary bytes as a header: an error, or exactly these fields again.
func FuzzHeader(f *testing.F) {
	f.Add(sampleBatch(f)[:HeaderSize])
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHeader(data)
		if err != nil {
			return
		}
		if h.Compressed > 1<<16 {
			return // no need to make the payload
		}
		again, err := EncodeHeader(nil, &h, make([]byte, h.Compressed))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again[:56], data[:56]) || !bytes.Equal(again[60:], data[60:HeaderSize]) {
			t.Fatalf("decoded and encoded:\n%x\n%x", data[:HeaderSize], again)
		}
	})
}
