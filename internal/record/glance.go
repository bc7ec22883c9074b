package record

import (
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Glance reads who stamped a batch, and its header, without looking at anything else: neither is the checksum compared nor
// are the producers read. It is for bytes that are known to be sound, such as those of an entry whose record in the log was
// checked; [Open] is for all others.
func Glance(data []byte) (id.Origin, Header, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return id.Origin{}, Header{}, err
	}
	if len(data) != h.Size() {
		return id.Origin{}, Header{}, fault.Damaged("", HeaderSize, "batch has %d bytes, its header says %d", len(data), h.Size())
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
