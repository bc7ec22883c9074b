package record

import (
	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// OpenOwn is [Open] without a look at the checksum. It is for bytes that this process has made itself, or has opened before, and holds
// since.
func OpenOwn(data []byte) (Batch, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return Batch{}, err
	}
	if len(data) != h.Size() {
		return Batch{}, wrongSize(data, &h)
	}
	return opened(data, h)
}

func wrongSize(data []byte, h *Header) error {
	return fault.Damaged("", HeaderSize, "batch has %d bytes, its header says %d", len(data), h.Size())
}

// Glance reads who stamped a batch, and its header, without looking at anything else: neither is the checksum compared nor
// are the producers read. It is for bytes that are known to be sound, such as those of an entry whose record in the log was
// checked; [Open] is for all others.
func Glance(data []byte) (id.Origin, Header, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return id.Origin{}, Header{}, err
	}
	if len(data) != h.Size() {
		return id.Origin{}, Header{}, wrongSize(data, &h)
	}
	c := cursor{b: data, off: HeaderSize}
	c.uvarint() // the extension's length
	version := c.u8()
	c.u8() // flags
	incarnation := id.Incarnation(c.u32())
	if c.err == nil && version > extensionVersion {
		return id.Origin{}, Header{}, tooNewExtension(version)
	}
	return id.Origin{Region: h.Region, Shard: h.Shard, Incarnation: incarnation}, h, c.err
}

// Sum is a sum of 64 bits of a batch's bytes, all of them: XXH3. Who holds a batch in the same place with another sum holds other
// events. It says nothing against somebody who wants two batches to have the same.
func Sum(batch []byte) uint64 { return xxh3.Hash(batch) }
