package refold

import (
	"encoding/binary"
	"errors"
)

// cell is every number of a cell.
type cell struct {
	mark, total int64
	permanent   wide
	sums        []sum       // by half-life, then back
	buckets     [3][]bucket // minutes, hours, days, each rising
	registers   []register  // rising
}

// sum is that of one half-life (in milliseconds) and of the epoch so many before the mark's.
type sum struct {
	halfLife int64
	back     int
	value    wide
}

type bucket struct{ number, count int64 }

type register struct {
	number uint16
	rank   uint8
}

var errCell = errors.New("the cell can't be read")

// readCell reads a cell as docs/format/values.md describes it. Whether the bytes are canonical isn't its business.
func readCell(b []byte) (c *cell, err error) {
	r := &reader{b: b}
	c = &cell{}
	flags := r.byte()
	if flags&0x01 != 0 {
		c.mark = r.varint()
	}
	if flags&0x02 != 0 {
		c.total = r.varint()
	}
	if flags&0x04 != 0 {
		c.permanent = r.wide()
	}
	if flags&0x08 != 0 {
		c.sums = r.sums()
	}
	if flags&0x10 != 0 {
		oldest := [3]int64{
			floorDiv(c.mark, minute) - keptMinutes + 1,
			floorDiv(c.mark, hour) - keptHours + 1,
			floorDiv(c.mark, day) - keptDays + 1,
		}
		for level := range c.buckets {
			c.buckets[level] = r.buckets(oldest[level])
		}
	}
	if flags&0x20 != 0 {
		c.registers = r.registers()
	}
	if r.failed || len(r.b) > 0 {
		return nil, errCell
	}
	return c, nil
}

// reader takes bytes from the front. Behind their end it has failed, and yields zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// wide reads a zigzag varint of up to 128 bits.
func (r *reader) wide() wide {
	var hi, lo uint64
	for shift := uint(0); ; shift += 7 {
		b := r.byte()
		v := uint64(b & 0x7f)
		if shift < 64 {
			lo |= v << shift
			hi |= v >> (64 - shift) // nothing for the first bytes: Go shifts everything out
		} else {
			hi |= v << (shift - 64)
		}
		if b < 0x80 {
			break
		}
		if shift >= 128 {
			r.failed = true
			break
		}
	}
	sign := -(lo & 1)
	return wide{int64(hi>>1 ^ sign), (lo>>1 | hi<<63) ^ sign}
}

func (r *reader) sums() []sum {
	var out []sum
	halfLife := int64(0)
	for range r.count() {
		halfLife += int64(r.uvarint())
		mask := r.byte()
		for back := range keptEpochs {
			if mask&(1<<back) != 0 {
				out = append(out, sum{halfLife, back, r.wide()})
			}
		}
	}
	return out
}

// count reads how many parts follow. Each has at least a byte.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) buckets(oldest int64) []bucket {
	var out []bucket
	next := oldest
	for range r.count() {
		b := bucket{number: next + int64(r.uvarint())}
		b.count = r.varint()
		out = append(out, b)
		next = b.number + 1
	}
	return out
}

// Registers of unique users: up to sparseMost are listed, more are all written out with six bits each.
const (
	allRegisters = 2048
	sparseMost   = 512
)

func (r *reader) registers() []register {
	n := r.uvarint()
	if n <= sparseMost {
		var out []register
		next := uint64(0)
		for range n {
			v := r.uvarint()
			out = append(out, register{uint16(next + v>>6), uint8(v & 63)})
			next += v>>6 + 1
		}
		return out
	}
	const size = allRegisters * 6 / 8
	if len(r.b) < size {
		r.failed = true
		return nil
	}
	var out []register
	for i := range allRegisters {
		at := i * 6
		word := uint(r.b[at/8]) | uint(r.b[min(at/8+1, size-1)])<<8
		if rank := uint8(word >> (at % 8) & 63); rank != 0 {
			out = append(out, register{uint16(i), rank})
		}
	}
	r.b = r.b[size:]
	return out
}
