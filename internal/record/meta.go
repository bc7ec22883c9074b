package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
)

// Bits of the byte in front of a record's meta.
const (
	flagAssigned = 1 << iota
	flagClamped
	flagLane
	flagKey
	flagTrace
	flagStamp
	flagsKnown = 1<<iota - 1
)

// Meta is what every record has, whatever it says.
type Meta struct {
	// Time is the time of the event, in Unix milliseconds.
	Time int64
	// HLC is the record's stamp. Stamps rise strictly within an origin.
	HLC hlc.Timestamp
	// Stamp is the stamp of the registers that the record writes, when that must lie above HLC: a register that was
	// written under a wild clock is overridden without dragging this clock along. 0 means HLC; see [Meta.RegisterStamp].
	Stamp hlc.Timestamp
	// TimeAssigned says that the client gave no time and the leader put its own.
	TimeAssigned bool
	// TimeClamped says that the client's time lay too far ahead and was brought down to the bound.
	TimeClamped bool
	// Lane is the request that the record belongs to; zero for none.
	Lane Lane
	// Content is the [ContentHash] of the request that begins with this record, and Count the number of its records.
	// They are there if the record has a key, or is the first of its lane's request, and zero otherwise.
	Content uint64
	Count   uint32
	// Key is the idempotency key of the request that begins with this record, or of this record alone; empty for none.
	Key string
	// Trace is the trace id; zero for none.
	Trace [16]byte
}

// Lane places a record: the producer, its request, and the record within the request.
//
// The records of a request stand in one batch, one behind the other.
type Lane struct {
	// Producer names the lane; empty for no lane.
	Producer string
	// Request numbers the producer's requests, from 1.
	Request uint64
	// Index counts the records of the request, from 0.
	Index uint32
}

// Begins reports whether the record is the first of a request that can be recognised, by lane or by key: it then
// carries Content and Count.
func (m *Meta) Begins() bool { return m.Key != "" || m.Lane.Producer != "" && m.Lane.Index == 0 }

// RegisterStamp is the stamp under which the record writes registers: Stamp if there is one, else HLC.
func (m *Meta) RegisterStamp() hlc.Timestamp { return max(m.Stamp, m.HLC) }

// check refuses a meta that can't be written.
func (m *Meta) check() error {
	switch {
	case m.HLC == 0:
		return fault.Refuse("hlc", "is zero")
	case m.Stamp != 0 && m.Stamp <= m.HLC:
		return fault.Refuse("stamp", "is %v, not above the record's %v", m.Stamp, m.HLC)
	case m.TimeAssigned && m.TimeClamped:
		return fault.Refuse("time", "is both assigned and clamped")
	case len(m.Key) > MaxKey:
		return checkText("key", m.Key, MaxKey)
	case m.Begins() && (m.Count == 0 || m.Count > MaxRecords):
		return fault.Refuse("count", "is %d; a request has 1 to %d records", m.Count, MaxRecords)
	case !m.Begins() && (m.Count != 0 || m.Content != 0):
		return fault.Refuse("count", "stands on a record that doesn't begin a request")
	}
	if err := checkTime(m.Time); err != nil {
		return err
	}
	return m.Lane.check()
}

func (l *Lane) check() error {
	switch {
	case l.Producer == "" && (l.Request != 0 || l.Index != 0):
		return fault.Refuse("lane", "has a request but no producer")
	case l.Producer == "":
		return nil
	case len(l.Producer) > MaxProducer:
		return checkText("producer", l.Producer, MaxProducer)
	case l.Request == 0:
		return fault.Refuse("request", "is 0; requests are numbered from 1")
	case l.Index >= MaxRecords:
		return fault.Refuse("index", "is %d; a request has at most %d records", l.Index, MaxRecords)
	}
	return nil
}

// append writes the meta; producer is the index of its lane's producer in the batch's table, millis the batch's
// timestamp and base its base stamp.
func (m *Meta) append(dst []byte, producer uint32, millis int64, base hlc.Timestamp) []byte {
	dst = append(dst, m.flags())
	dst = appendVarint(dst, m.Time-millis)
	dst = binary.AppendUvarint(dst, uint64(m.HLC-base))
	if m.Stamp != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Stamp-m.HLC))
	}
	if m.Lane.Producer != "" {
		dst = binary.AppendUvarint(dst, uint64(producer))
		dst = binary.AppendUvarint(dst, m.Lane.Request)
		dst = binary.AppendUvarint(dst, uint64(m.Lane.Index))
	}
	if m.Begins() {
		dst = binary.LittleEndian.AppendUint64(dst, m.Content)
		dst = binary.AppendUvarint(dst, uint64(m.Count))
	}
	if m.Key != "" {
		dst = appendText(dst, m.Key)
	}
	if m.Trace != [16]byte{} {
		dst = append(dst, m.Trace[:]...)
	}
	return dst
}

func (m *Meta) flags() byte {
	var flags byte
	if m.TimeAssigned {
		flags |= flagAssigned
	}
	if m.TimeClamped {
		flags |= flagClamped
	}
	if m.Lane.Producer != "" {
		flags |= flagLane
	}
	if m.Key != "" {
		flags |= flagKey
	}
	if m.Trace != [16]byte{} {
		flags |= flagTrace
	}
	if m.Stamp != 0 {
		flags |= flagStamp
	}
	return flags
}

// decode reads what append wrote and returns the index of the producer.
func (m *Meta) decode(c *cursor, ext *Extension, millis int64) (producer uint32) {
	*m = Meta{}
	flags := c.u8()
	if flags&^flagsKnown != 0 {
		c.fail("record has unknown flags %#x", flags)
	}
	m.TimeAssigned = flags&flagAssigned != 0
	m.TimeClamped = flags&flagClamped != 0
	// The timestamp is below 2⁴⁵ ms, and so the sum doesn't overflow for any time in range.
	delta := c.varint()
	if delta < 2*MinTime || delta > 2*MaxTime {
		c.fail("time is %d ms from the batch's", delta)
	}
	m.Time = millis + delta
	m.HLC = later(c, ext.Base)
	if flags&flagStamp != 0 {
		m.Stamp = later(c, m.HLC)
	}
	if flags&flagLane != 0 {
		producer = m.decodeLane(c, ext)
	}
	keyed := flags&flagKey != 0
	if keyed || flags&flagLane != 0 && m.Lane.Index == 0 {
		m.Content = c.u64()
		m.Count = uint32(c.atMost(MaxRecords, "count"))
	}
	if keyed {
		if m.Key = c.text("key"); m.Key == "" {
			c.fail("key is empty")
		}
	}
	if flags&flagTrace != 0 {
		copy(m.Trace[:], c.bytes(uint64(len(m.Trace)), "trace id"))
		if m.Trace == [16]byte{} {
			c.fail("trace id is zero")
		}
	}
	return producer
}

func (m *Meta) decodeLane(c *cursor, ext *Extension) (producer uint32) {
	n := c.uvarint()
	m.Lane.Request = c.uvarint()
	m.Lane.Index = uint32(c.atMost(MaxRecords-1, "index"))
	if n >= uint64(len(ext.Producers)) {
		c.fail("producer %d of %d", n, len(ext.Producers))
		return 0
	}
	m.Lane.Producer = ext.Producers[n]
	return uint32(n)
}

// later reads how far a stamp lies above another.
func later(c *cursor, from hlc.Timestamp) hlc.Timestamp {
	delta := c.uvarint()
	if t := from + hlc.Timestamp(delta); t >= from {
		return t
	}
	c.fail("stamp exceeds 64 bits")
	return 0
}

// requests follows the requests of lanes through a batch: once one began, its records stand one behind the other, and
// all of them are there. So a request is accepted or not as a whole, and its position names all of its records.
type requests struct {
	producer    uint32
	request     uint64
	next, count uint32
}

// step refuses a record that tears a request apart.
func (r *requests) step(m *Meta, producer uint32) error {
	lane := m.Lane.Producer != ""
	if r.next < r.count {
		if !lane || producer != r.producer || m.Lane.Request != r.request || m.Lane.Index != r.next {
			return fault.Refuse("lane", "request %d goes on with record %d of %d, not with another", r.request, r.next, r.count)
		}
		r.next++
		return nil
	}
	if !lane {
		return nil
	}
	if m.Lane.Index != 0 {
		return fault.Refuse("index", "is %d on the first record of a request in this batch", m.Lane.Index)
	}
	*r = requests{producer: producer, request: m.Lane.Request, next: 1, count: m.Count}
	return nil
}

// end refuses a request that isn't whole.
func (r *requests) end() error {
	if r.next < r.count {
		return fault.Refuse("lane", "request %d has %d of %d records", r.request, r.next, r.count)
	}
	return nil
}
