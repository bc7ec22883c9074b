package wal

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/planted"
)

// walk calls visit for each record of a file's bytes in order. It returns where the records end and why: zeros when
// nothing follows, or broken or newer with the reason.
func walk(data []byte, sequence uint32, visit func(r record, offset int64)) (end int64, v verdict, why string) {
	for end < int64(len(data)) {
		r, n, v, why := decodeRecord(data[end:], sequence)
		if v != whole {
			return end, v, why
		}
		if (r.kind == KindSegment) != (end == 0) {
			return end, broken, fmt.Sprintf("%v record is out of place", r.kind)
		}
		if r.kind == KindMark {
			if _, ok := r.mark(end); !ok {
				return end, broken, "mark doesn't name its own place"
			}
		}
		visit(r, end)
		end += n
	}
	return end, zeros, ""
}

// ending is how the last file of a log ends.
type ending struct {
	end    int64 // length of the valid records
	proven int64 // the last valid mark proves the file durable up to here
	torn   int64 // bytes from end to the last one that isn't zero
	why    string
}

// examine finds out how the last file of a log ends. The verdict is whole for a clean end and for a torn tail, broken
// for damage (at end, because of why), newer for a record of a newer program.
func examine(data []byte, sequence uint32) (ending, verdict) {
	var e ending
	end, v, why := walk(data, sequence, func(r record, offset int64) {
		if r.kind == KindMark {
			e.proven, _ = r.mark(offset)
		}
	})
	e.end, e.why = end, why
	if v == newer {
		return e, newer
	}
	rest := data[end:]
	for len(rest) > 0 && rest[len(rest)-1] == 0 {
		rest = trimZeros(rest)
	}
	e.torn = int64(len(rest))
	if e.torn == 0 {
		return e, whole
	}
	if e.why == "" {
		e.why = "zeros where a record should begin"
	}
	if at, durable, ok := findProof(data, end, sequence); ok && !planted.CutDamage {
		e.why = fmt.Sprintf("%s; the mark at offset %d proves that the file was durable up to %d", e.why, at, durable)
		return e, broken
	}
	return e, whole
}

// trimZeros cuts trailing zeros, in blocks as long as it can.
func trimZeros(b []byte) []byte {
	for len(b) >= len(zeroBlock) && string(b[len(b)-len(zeroBlock):]) == zeroBlock {
		b = b[:len(b)-len(zeroBlock)]
	}
	for n := 0; n < len(zeroBlock) && len(b) > 0 && b[len(b)-1] == 0; n++ {
		b = b[:len(b)-1]
	}
	return b
}

// findProof searches behind the first invalid record, at from, for a mark that proves that more was durable.
// Records begin at multiples of 8, and what precedes the mark can't be trusted to lead there.
func findProof(data []byte, from int64, sequence uint32) (at, durable int64, ok bool) {
	for at := from + align; at+headerLen <= int64(len(data)); at += align {
		if r, ok := peek(data[at:], sequence); ok && r.kind == KindMark {
			if durable, ok := r.mark(at); ok && durable > from {
				return at, durable, true
			}
		}
	}
	return 0, 0, false
}

// findRecord searches for any record of a file whose creation number fits. It is how a file without a readable first
// record shows that it was in use.
func findRecord(data []byte, fits func(sequence uint32) bool) (at int64, ok bool) {
	for at := int64(0); at+headerLen <= int64(len(data)); at += align {
		if r, ok := peek(data[at:], 0); ok && fits(r.sequence) {
			return at, true
		}
	}
	return 0, false
}

// peek decodes a record where there probably is none.
func peek(b []byte, sequence uint32) (record, bool) {
	if binary.LittleEndian.Uint16(b[10:]) != recordMagic {
		return record{}, false
	}
	r, _, v, _ := decodeRecord(b, sequence)
	return r, v == whole || v == newer
}
