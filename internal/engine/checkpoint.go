package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// A checkpoint is an engine in records: the replicated ones, and group-local ones under opaque keys. An engine is made
// of them by [New], then [Engine.Load] and [Engine.LoadLocal] for each, then [Engine.Loaded].

// Load enters a replicated record, as [Fold.Effects] gave it, or the merge of several. All records of an owner come one
// after another, its generation first.
func (e *Engine) Load(r Record) error {
	if r.OwnerKind > id.Kinds || r.Owner == "" {
		return fault.Damaged("", 0, "record of kind %v has owner %q of kind %d", r.Kind, r.Owner, r.OwnerKind)
	}
	switch r.Kind {
	case algebra.KindSchemaVersion:
		if _, err := e.learn(r.Value); err != nil {
			return err
		}
	case algebra.KindFormatLevel:
		level, n := binary.Uvarint(r.Value)
		if n != len(r.Value) || level == 0 {
			return fault.Damaged("", 0, "format level of %d bytes", len(r.Value))
		}
		if level > record.Level {
			return tooNew(level)
		}
		e.level = max(e.level, level)
	}
	if err := e.load(&r); err != nil {
		return err
	}
	return e.noticed(&r, r.Value)
}

// load puts a record into the table.
func (e *Engine) load(r *Record) error {
	at := &e.loading
	if at.kind != r.OwnerKind || at.name != r.Owner || at.name == "" {
		*at = loading{kind: r.OwnerKind, name: r.Owner}
		if at.cold = e.staysCold(r.OwnerKind, r.Owner); !at.cold {
			at.ord = e.newOwner(r.OwnerKind, r.Owner)
		}
	}
	if at.cold {
		if r.Gen != 0 {
			e.cold.bury(r.Owner, r.Gen)
		}
		return nil
	}
	e.table.Raise(r.OwnerKind, at.ord, r.Gen)
	if r.Kind != algebra.KindGeneration {
		e.table.Put(state.Key{Kind: r.Kind, Owner: r.OwnerKind, Ord: at.ord, Sub: r.Sub}, r.Value)
	}
	return nil
}

// loading is the owner of the record that was loaded last.
type loading struct {
	kind id.Kind
	name string
	ord  state.Ord
	half *half // of a range that is merged: where its records go
	cold bool  // it's left in the store
}

// LoadLocal enters a group-local record. They come by rising key.
func (e *Engine) LoadLocal(key, value []byte) error {
	if len(key) == 0 {
		return fault.Damaged("", 0, "group-local record without a key")
	}
	switch key[0] {
	case localStamps:
		return e.loadStamps(value)
	case localRecent:
		return e.loadRecent(key[1:], value)
	case localParked:
		return e.loadParked(key[1:], value)
	case localFallen:
		return e.loadFallen(key[1:], value)
	}
	return e.lanes.Restore(key, value)
}

// Loaded ends the loading of a checkpoint that is the state after the events of a vector.
func (e *Engine) Loaded(v id.VersionVector) {
	e.vector = v
	e.loading = loading{}
	e.fallen.swept = e.highestOwn.Millis() / hour
	e.surveyPending()
}

// The first bytes of the keys of group-local records. Those of package lane are 'k', 'l' and 'r'.
const (
	localRecent = 'b' // checksums of the latest batches of an origin
	localFallen = 'f' // a signal that fell, under its position
	localStamps = 'e' // highest stamps and counters
	localParked = 'p' // a batch that waits, under its origin and first number
)

const localVersion = 1

func (e *Engine) appendStamps(dst []byte) []byte {
	c := &e.counters
	dst = append(dst, localVersion)
	for _, v := range []uint64{
		uint64(e.highest), uint64(e.highestOwn), uint64(e.highestRegister),
		c.Batches, c.Records, c.Signals, c.Clamped, c.Twice,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	if !c.HasNewest {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), c.Newest)
}

func (e *Engine) loadStamps(b []byte) error {
	r := localReader{b: b}
	r.version()
	e.highest, e.highestOwn, e.highestRegister = r.stamp(), r.stamp(), r.stamp()
	c := &e.counters
	c.Batches, c.Records, c.Signals, c.Clamped, c.Twice = r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	if c.HasNewest = r.byte() == 1; c.HasNewest {
		v, n := binary.Varint(r.b)
		c.Newest = v
		r.skip(n)
	}
	return r.end(e.appendStamps(nil), b, "stamps")
}

// StoredCounters reads the counters of a checkpoint from one of its group-local records; ok is false if it's another one
// that holds them.
func StoredCounters(key, value []byte) (c Counters, ok bool, err error) {
	if len(key) == 0 || key[0] != localStamps {
		return c, false, nil
	}
	var e Engine
	err = e.loadStamps(value)
	return e.counters, err == nil, err
}

func (x *recentBatches) append(dst []byte) []byte {
	dst = append(dst, localVersion)
	for i := range x.marks {
		m := &x.marks[(x.next+i)%recentKept] // the oldest first
		if m.last == 0 {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(m.first))
		dst = binary.AppendUvarint(dst, uint64(m.last-m.first))
		dst = binary.LittleEndian.AppendUint32(dst, m.checksum)
	}
	return dst
}

func (e *Engine) loadRecent(key, b []byte) error {
	origin, err := localOrigin(key, 8)
	if err != nil {
		return err
	}
	x := &recentBatches{}
	r := localReader{b: b}
	r.version()
	for len(r.b) > 0 && r.err == nil {
		m := batchMark{first: id.Seq(r.uvarint())}
		m.last = m.first + id.Seq(r.uvarint())
		m.checksum = r.u32()
		x.marks[x.next] = m
		x.next = (x.next + 1) % recentKept
	}
	e.recent[origin] = x
	return r.end(x.append(nil), b, "latest batches")
}

func (e *Engine) loadParked(key, b []byte) error {
	origin, err := localOrigin(key, 16)
	if err != nil {
		return err
	}
	data := bytes.Clone(b)
	batch, err := record.Open(data)
	if err != nil {
		return fmt.Errorf("open parked batch: %w", err)
	}
	h := &batch.Header
	p := e.parked[origin]
	switch {
	case batch.Origin() != origin || uint64(h.First) != binary.BigEndian.Uint64(key[8:]):
		return fault.Damaged("", 0, "parked batch %v lies under another key", batch.Origin().At(h.First))
	case p != nil && p.last+1 != h.First:
		return fault.Damaged("", 0, "parked batch %v follows number %d", origin.At(h.First), p.last)
	}
	e.park(origin, data, h)
	return nil
}

func parkedKey(origin id.Origin, first id.Seq) string {
	b := binary.BigEndian.AppendUint64([]byte{localParked}, origin.Packed())
	return string(binary.BigEndian.AppendUint64(b, uint64(first)))
}

func recentKey(origin id.Origin) []byte {
	return binary.BigEndian.AppendUint64([]byte{localRecent}, origin.Packed())
}

// localOrigin reads the origin that a key of n bytes begins with.
func localOrigin(key []byte, n int) (id.Origin, error) {
	if len(key) != n {
		return id.Origin{}, fault.Damaged("", 0, "key of a group-local record has %d bytes behind its first", len(key))
	}
	return id.UnpackOrigin(binary.BigEndian.Uint64(key)), nil
}

// localReader takes a value apart. After the first error it returns zeros.
type localReader struct {
	b   []byte
	err error
}

func (r *localReader) fail(what string) {
	if r.err == nil {
		r.err = fault.Damaged("", 0, "group-local record: %s", what)
	}
	r.b = nil
}

func (r *localReader) skip(n int) {
	if n <= 0 || n > len(r.b) {
		r.fail("a field is cut short")
		return
	}
	r.b = r.b[n:]
}

func (r *localReader) version() {
	switch v := r.byte(); {
	case r.err == nil && v > localVersion:
		r.err = fmt.Errorf("group-local record of version %d: %w", v, fault.ErrFormatTooNew)
		r.b = nil
	case v != localVersion:
		r.fail("version 0")
	}
}

func (r *localReader) byte() byte {
	b := r.b
	r.skip(1)
	if r.err != nil {
		return 0
	}
	return b[0]
}

func (r *localReader) u32() uint32 {
	b := r.b
	r.skip(4)
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

func (r *localReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *localReader) stamp() hlc.Timestamp { return hlc.Timestamp(r.uvarint()) }

// end checks that all was read and that it was canonical.
func (r *localReader) end(again, b []byte, what string) error {
	if r.err == nil && (len(r.b) > 0 || !bytes.Equal(again, b)) {
		r.fail(what + " aren't canonical")
	}
	return r.err
}

// recentOrigins returns the origins whose latest batches are remembered, in order.
func (e *Engine) recentOrigins() []id.Origin {
	origins := make([]id.Origin, 0, len(e.recent))
	for origin := range e.recent {
		origins = append(origins, origin)
	}
	slices.SortFunc(origins, id.Origin.Compare)
	return origins
}
