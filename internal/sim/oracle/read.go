package oracle

import (
	"encoding/binary"
	"errors"
	"math/big"
)

var errCell = errors.New("cell can't be read")

// readCell reads a cell from its bytes, as the table of their layout says and with no regard to speed. It checks no
// more than it has to: that bytes are canonical is tested where they are made.
func readCell(b []byte) (c *Cell, err error) {
	r := &reader{b: b}
	defer func() {
		if recover() != nil {
			c, err = nil, errCell
		}
	}()
	c = &Cell{}
	flags := r.byte()
	if flags&0x01 != 0 {
		c.Mark = r.varint()
	}
	if flags&0x02 != 0 {
		c.Total = r.varint()
	}
	if flags&0x04 != 0 {
		r.big(&c.Permanent)
	}
	if flags&0x08 != 0 {
		r.sums(c)
	}
	if flags&0x10 != 0 {
		c.Minutes = r.buckets(floor(c.Mark, minuteMillis) - 59)
		c.Hours = r.buckets(floor(c.Mark, hourMillis) - 167)
		c.Days = r.buckets(floor(c.Mark, dayMillis) - 29)
	}
	if flags&0x20 != 0 {
		r.registers(c)
	}
	if len(r.b) > 0 {
		return nil, errCell
	}
	return c, nil
}

// reader takes bytes from the front and panics when there are none.
type reader struct{ b []byte }

func (r *reader) byte() byte {
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		panic(errCell)
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		panic(errCell)
	}
	r.b = r.b[n:]
	return v
}

// big reads a zigzag varint of any length.
func (r *reader) big(v *big.Int) {
	if short, n := binary.Uvarint(r.b); n > 0 {
		v.SetUint64(short)
		r.b = r.b[n:]
	} else {
		for shift := uint(0); ; shift += 7 {
			b := r.byte()
			v.Or(v, new(big.Int).Lsh(big.NewInt(int64(b&0x7f)), shift))
			if b < 0x80 {
				break
			}
		}
	}
	negative := v.Bit(0) == 1
	v.Rsh(v, 1)
	if negative {
		v.Not(v)
	}
}

func (r *reader) sums(c *Cell) {
	halfLife := int64(0)
	c.Sums = map[int64]map[int64]*big.Int{}
	for range r.uvarint() {
		halfLife += int64(r.uvarint())
		mask := r.byte()
		sums := map[int64]*big.Int{}
		for back := range int64(8) {
			if mask&(1<<back) != 0 {
				sum := new(big.Int)
				r.big(sum)
				sums[floor(c.Mark, 8*halfLife)-back] = sum
			}
		}
		c.Sums[halfLife] = sums
	}
}

func (r *reader) buckets(oldest int64) map[int64]int64 {
	into, next := map[int64]int64{}, oldest
	for range r.uvarint() {
		i := next + int64(r.uvarint())
		into[i] = r.varint()
		next = i + 1
	}
	return into
}

func (r *reader) registers(c *Cell) {
	n := r.uvarint()
	c.Registers = new([registers]uint8)
	if n > 512 {
		for i := range uint32(registers) {
			for bit := range uint32(6) {
				at := i*6 + bit
				c.Registers[i] |= r.b[at/8] >> (at % 8) & 1 << bit
			}
		}
		r.b = r.b[registers*6/8:]
		return
	}
	next := uint32(0)
	for range n {
		v := r.uvarint()
		i := next + uint32(v>>6)
		c.Registers[i] = uint8(v & 63)
		next = i + 1
	}
}
