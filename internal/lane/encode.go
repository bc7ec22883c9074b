package lane

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// The encoding of a table, version 2. Numbers are uvarints in their shortest form unless said otherwise; a text is its
// length and its bytes; a stamp is 8 bytes, little endian.
//
//	table     version byte (2) · number of lanes · lanes by producer · number of keys · keys by name
//	lane      producer text · high · window (8 bytes, little endian) · newest stamp · floor · number of runs · runs
//	run       requests skipped since the run before (the first: since 0) · number of requests · records per request ·
//	          position · newest stamp · a hash (8 bytes, little endian) for each request not below the floor · for each
//	          of these, from the last to the first, how far its stamp lies below the one behind it, the last below the
//	          newest, modulo 2⁶⁴
//	key       text · position · records · content (8 bytes, little endian) · stamp
//	position  region · shard · incarnation · sequence number
//
// Options aren't part of it. Version 1 had a byte in front of a position that said whose it was, and no stamps beside the
// hashes; they read as unknown.
const encodingVersion = 2

// AppendBinary appends the canonical encoding of the table: equal tables have equal bytes.
func (t *Table) AppendBinary(dst []byte) []byte {
	lanes := slices.Clone(t.byAge)
	slices.SortFunc(lanes, func(a, b *lane) int { return cmp.Compare(a.producer, b.producer) })
	keys := slices.Clone(t.keysByAge)
	slices.SortFunc(keys, func(a, b *key) int { return cmp.Compare(a.name, b.name) })

	dst = append(dst, encodingVersion)
	dst = binary.AppendUvarint(dst, uint64(len(lanes)))
	for _, l := range lanes {
		dst = l.append(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(len(keys)))
	for _, k := range keys {
		dst = k.append(dst)
	}
	return dst
}

func (l *lane) append(dst []byte) []byte {
	return appendRuns(l.appendHead(appendText(dst, l.producer)), l.runs)
}

func (l *lane) appendHead(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, l.high)
	dst = binary.LittleEndian.AppendUint64(dst, l.window)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(l.newest))
	return binary.AppendUvarint(dst, l.floor)
}

func appendRuns(dst []byte, runs []run) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(runs)))
	end := uint64(0)
	for i := range runs {
		r := &runs[i]
		dst = binary.AppendUvarint(dst, r.first-end-1)
		dst = binary.AppendUvarint(dst, r.n)
		dst = binary.AppendUvarint(dst, uint64(r.count))
		dst = appendPosition(dst, r.pos)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(r.newest))
		for i := range r.known {
			dst = binary.LittleEndian.AppendUint64(dst, r.known[i].content)
		}
		behind := r.newest
		for i := len(r.known) - 1; i >= 0; i-- {
			dst = binary.AppendUvarint(dst, uint64(behind-r.known[i].stamp))
			behind = r.known[i].stamp
		}
		end = r.end()
	}
	return dst
}

func (k *key) append(dst []byte) []byte {
	return k.appendValue(appendText(dst, k.name))
}

func (k *key) appendValue(dst []byte) []byte {
	dst = appendPosition(dst, k.Position)
	dst = binary.AppendUvarint(dst, uint64(k.Count))
	dst = binary.LittleEndian.AppendUint64(dst, k.Content)
	return binary.LittleEndian.AppendUint64(dst, uint64(k.HLC))
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendPosition(dst []byte, p id.Position) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Region))
	dst = binary.AppendUvarint(dst, uint64(p.Shard))
	dst = binary.AppendUvarint(dst, uint64(p.Incarnation))
	return binary.AppendUvarint(dst, uint64(p.Seq))
}

// Decode reads what AppendBinary wrote, all of b, into a table of these options. Anything but the canonical encoding
// of a table that could have come about is [fault.ErrCorrupt]; a later version is [fault.ErrFormatTooNew].
func Decode(b []byte, opts Options) (*Table, error) {
	t := New(opts)
	d := decoder{b: b}
	if err := d.version(); err != nil {
		return nil, err
	}
	before := ""
	for i := range d.number(uint64(len(b)), "number of lanes") {
		l := d.lane()
		if i > 0 && before >= l.producer {
			d.fail("producers don't rise")
		}
		if d.err != nil {
			return nil, d.err
		}
		before = l.producer
		t.lanes[before] = l
		t.runs += len(l.runs)
		heap.Push(&t.byAge, l)
	}
	for i := range d.number(uint64(len(b)), "number of keys") {
		k := d.key()
		if i > 0 && before >= k.name {
			d.fail("keys don't rise")
		}
		if d.err != nil {
			return nil, d.err
		}
		before = k.name
		t.keys[before] = k
		heap.Push(&t.keysByAge, k)
	}
	d.end()
	return t, d.err
}

// decoder reads from the front of b and keeps the first failure; after it, everything reads as zero.
type decoder struct {
	b      []byte
	off    int64
	format byte // that the bytes say they are of
	err    error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fault.Damaged("", d.off, "lane table: "+format, args...)
	}
	d.b = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("cut short")
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	d.off += int64(n)
	return v
}

func (d *decoder) byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (d *decoder) number(limit uint64, what string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 || v > limit {
		d.fail("bad %s", what)
		return 0
	}
	d.take(uint64(n))
	return v
}

func (d *decoder) text(what string) string {
	return string(d.take(d.number(uint64(len(d.b)), what)))
}

// whose skips what version 1 has in front of a position.
func (d *decoder) whose() {
	if d.format > 1 {
		return
	}
	if v := d.byte(); v > 1 {
		d.fail("flag is %d", v)
	}
}

func (d *decoder) position() id.Position {
	d.whose()
	p := id.Position{
		Region:      id.Region(d.number(1<<16-1, "region")),
		Shard:       id.Shard(d.number(1<<16-1, "shard")),
		Incarnation: id.Incarnation(d.number(1<<32-1, "incarnation")),
		Seq:         id.Seq(d.number(1<<64-1, "sequence number")),
	}
	if p.Seq == 0 {
		d.fail("position is zero")
	}
	return p
}

func (d *decoder) lane() *lane {
	l := d.head(d.text("producer"))
	l.runs = d.runs(l)
	l.countHashes(l.runs)
	return l
}

// head reads a lane but its runs.
func (d *decoder) head(producer string) *lane {
	l := &lane{
		producer: producer,
		high:     d.number(1<<64-1, "high-water"),
		window:   d.u64(),
		newest:   hlc.Timestamp(d.u64()),
		floor:    d.number(1<<64-1, "floor"),
	}
	// Bit 0 is the high-water itself; no bit stands for a request below 1.
	if l.high == 0 || l.window&1 == 0 || uint64(bits.Len64(l.window)) > l.high {
		d.fail("bad window")
	}
	// The floor lies right above a request whose hash was dropped.
	if l.floor == 1 || l.floor > 1 && l.floor-1 > l.high {
		d.fail("bad floor")
	}
	return l
}

// runs reads runs of a lane, nil if there are none.
func (d *decoder) runs(l *lane) (runs []run) {
	end := uint64(0)
	for i := range d.number(uint64(len(d.b)), "number of runs") {
		r := d.run(l, end)
		if i > 0 && d.err == nil && runs[i-1].follows(&r) {
			d.fail("two runs are one")
		}
		if d.err != nil {
			return nil
		}
		end = r.end()
		runs = append(runs, r)
	}
	return runs
}

// run reads a run that begins above request end.
func (d *decoder) run(l *lane, end uint64) run {
	skipped := d.number(l.high, "gap between runs")
	r := run{
		first:  end + skipped + 1,
		n:      d.number(l.high, "number of requests"),
		count:  uint32(d.number(1<<32-1, "records per request")),
		pos:    d.position(),
		newest: hlc.Timestamp(d.u64()),
	}
	if d.err != nil {
		return r
	}
	if left := l.high - end; skipped >= left || r.n == 0 || r.n > left-skipped || r.count == 0 {
		d.fail("bad run")
		return r
	}
	over, records := bits.Mul64(r.n, uint64(r.count))
	if over != 0 || uint64(r.pos.Seq)+records-1 < uint64(r.pos.Seq) || r.newest > l.newest {
		d.fail("bad run")
		return r
	}
	for back := uint64(0); back < windowBits && back <= l.high; back++ {
		if request := l.high - back; request >= r.first && request <= r.end() && !l.accepted(request) {
			d.fail("request %d is in a run, but not in the window", request)
			return r
		}
	}
	if r.end() < l.floor {
		return r
	}
	hashes := r.end() - max(r.first, l.floor) + 1
	if hashes > uint64(len(d.b))/8 {
		d.fail("hashes are cut short")
		return r
	}
	r.known = make([]known, hashes)
	for i := range r.known {
		r.known[i].content = d.u64()
	}
	if d.format > 1 {
		behind := r.newest
		for i := len(r.known) - 1; i >= 0; i-- {
			behind -= hlc.Timestamp(d.number(1<<64-1, "distance of stamps"))
			r.known[i].stamp = behind
		}
	}
	return r
}

func (d *decoder) key() *key {
	return d.keyValue(d.text("key"))
}

// keyValue reads a key but its name.
func (d *decoder) keyValue(name string) *key {
	k := &key{name: name}
	k.Position = d.position()
	k.Count = uint32(d.number(1<<32-1, "records"))
	k.Content = d.u64()
	k.HLC = hlc.Timestamp(d.u64())
	if d.err == nil && (k.Count == 0 || k.last().Seq < k.Position.Seq) {
		d.fail("bad key")
	}
	return k
}
