package record

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

const (
	extensionVersion = 1
	// extensionFixed is the size of an extension up to its format level.
	extensionFixed = 1 + 1 + 4 + len(schema.Hash{}) + 8 + 8

	flagProjection = 1
)

// Extension is the first part of a payload: what all records of the batch share.
type Extension struct {
	// Projection says that the batch holds some of the records of its range, those for one shard.
	Projection bool
	// Incarnation is the third part of the origin, beside the header's region and shard.
	Incarnation id.Incarnation
	// Schema is the version that the records were stamped under, and whose effects they have for ever.
	Schema schema.Hash
	// Base is the stamp that the records' stamps count from.
	Base hlc.Timestamp
	// Epoch is the shard-map epoch at stamping.
	Epoch uint64
	// Level is the format level that the cluster had agreed on at stamping; at least 1.
	Level uint32
	// Producers are the lanes of the batch, in the order of their first record.
	Producers []string
}

// append writes the extension with its length in front.
func (e *Extension) append(dst []byte, producerBytes int) []byte {
	dst = binary.AppendUvarint(dst, uint64(e.size(producerBytes)))
	flags := byte(0)
	if e.Projection {
		flags |= flagProjection
	}
	dst = append(dst, extensionVersion, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Incarnation))
	dst = append(dst, e.Schema[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Base))
	dst = binary.LittleEndian.AppendUint64(dst, e.Epoch)
	dst = binary.AppendUvarint(dst, uint64(e.Level))
	dst = binary.AppendUvarint(dst, uint64(len(e.Producers)))
	for _, p := range e.Producers {
		dst = appendText(dst, p)
	}
	return dst
}

// size is the size without the length in front; producerBytes is that of the producers with theirs.
func (e *Extension) size(producerBytes int) int {
	return extensionFixed + uvarintLen(uint64(e.Level)) + uvarintLen(uint64(len(e.Producers))) + producerBytes
}

// decodeExtension reads the extension at the cursor and leaves the cursor behind it.
func decodeExtension(c *cursor) (Extension, error) {
	n := c.uvarint()
	start := c.off
	body := c.bytes(n, "extension")
	if c.err != nil {
		return Extension{}, c.err
	}
	x := cursor{b: c.b[:start+len(body)], off: start}
	version := x.u8()
	if x.err == nil && version > extensionVersion {
		return Extension{}, tooNewExtension(version)
	}
	if version == 0 {
		x.fail("extension has version 0")
	}
	flags := x.u8()
	if flags > flagProjection {
		x.fail("extension has unknown flags %#x", flags)
	}
	e := Extension{Projection: flags&flagProjection != 0, Incarnation: id.Incarnation(x.u32())}
	copy(e.Schema[:], x.bytes(uint64(len(e.Schema)), "schema hash"))
	e.Base = hlc.Timestamp(x.u64())
	e.Epoch = x.u64()
	e.Level = uint32(x.atMost(1<<32-1, "format level"))
	if e.Level == 0 {
		x.fail("format level is 0")
	}
	e.Producers = decodeProducers(&x)
	if err := x.end(); err != nil {
		return Extension{}, err
	}
	return e, nil
}

func decodeProducers(x *cursor) []string {
	// Each producer takes at least two bytes, so the table is never allocated larger than half of what is there.
	n := x.atMost(min(MaxRecords, uint64(x.left()/2)), "number of producers")
	if n == 0 {
		return nil
	}
	producers := make([]string, n)
	for i := range producers {
		at := x.off
		producers[i] = x.text("producer")
		if x.err != nil {
			return nil
		}
		if err := checkText("producer", producers[i], MaxProducer); err != nil {
			x.err = asDamage(err, at)
			return nil
		}
	}
	if i := repeated(producers); i >= 0 {
		x.fail("producer %d is named twice", i)
	}
	return producers
}

// repeated returns the index of a text that stands in the list before, −1 if all are distinct. It's an open-addressed
// hash set; up to 256 texts it takes no memory from the heap.
func repeated(list []string) int {
	if len(list) < 2 {
		return -1
	}
	var small [512]uint32
	slots := small[:]
	for len(slots) < 2*len(list) {
		slots = make([]uint32, 2*len(slots))
	}
	mask := uint64(len(slots) - 1)
	for i, s := range list {
		at := xxh3.HashString(s) & mask
		for ; slots[at] != 0; at = (at + 1) & mask {
			if list[slots[at]-1] == s {
				return i
			}
		}
		slots[at] = uint32(i + 1)
	}
	return -1
}

func tooNewExtension(version uint8) error {
	return fmt.Errorf("read extension of version %d: %w", version, fault.ErrFormatTooNew)
}
