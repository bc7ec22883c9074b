package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/zeebo/blake3"
)

// Snapshot is one instant of a store, to be sent to another replica of the group. It is one goroutine's, and must be
// closed; the store goes on meanwhile.
type Snapshot struct {
	view view
	done func() error
	cp   checkpoint
	dir  string
}

// Progress says how far a receiver has come: what [Installer.Progress] returns. The zero value is the beginning.
type Progress struct {
	// Chunks is the number of chunks received, and Records of the records in them.
	Chunks, Records uint64
	// After is the stored key of the last record received.
	After []byte
	// Head and Chain are the hashes of the first chunk and of all chunks: a snapshot of another instant can't be gone
	// on with.
	Head, Chain [32]byte
}

// A chunk is a magic number, flags, its number, the payload's length, the payload, and a hash of the chunk before's
// hash and all of this. The first payload is the meta record, the last one, which is flagged, the number of records;
// those between hold records, as pairs of texts by ascending stored key.
const (
	chunkMagic  = "TDSN"
	chunkHeader = 4 + 1 + 8 + 4
	chunkHash   = 32
	chunkLast   = 0x01
	// chunkGoal is the payload at which a chunk ends, behind a whole record.
	chunkGoal = 256 << 10
	// maxPayload bounds what a reader takes: a chunk that was just below its goal, and the largest record.
	maxPayload = chunkGoal + maxValue + (1 << 18)
)

// Snapshot pins what is committed now, durable or not: for the receiver that makes no difference.
func (s *Store) Snapshot() (*Snapshot, error) {
	v, done, err := s.pin()
	if err != nil {
		return nil, err
	}
	meta, err := readMeta(v, s.dir, s.identity)
	if err != nil {
		_ = done()
		return nil, err
	}
	return &Snapshot{v, done, checkpoint{s.identity, meta}, s.dir}, nil
}

// Meta returns what the snapshot is the state after.
func (x *Snapshot) Meta() Meta { return x.cp.meta }

// Head returns the hash of the first chunk, which names the instant: see [Progress].
func (x *Snapshot) Head() [32]byte { return hashOf(seal(nil, 0, 0, x.cp.append(nil))) }

// Close gives the instant up.
func (x *Snapshot) Close() error { return x.done() }

// Chunk returns the chunk that follows what a receiver has, and whether it is the last. It can be called again for the
// same progress, and gives the same bytes. A receiver that has chunks of another instant is [fault.ErrOutOfStep]: it
// must begin anew.
func (x *Snapshot) Chunk(p Progress) (chunk []byte, last bool, err error) { return x.chunk(p, nil) }

func (x *Snapshot) chunk(p Progress, see func(key, value []byte, r *Record)) (chunk []byte, last bool, err error) {
	first := seal(nil, 0, 0, x.cp.append(nil))
	switch {
	case p.Chunks == 0:
		return first, false, nil
	case p.Head != hashOf(first):
		return nil, false, fmt.Errorf("the receiver holds chunks of another snapshot than that of entry %d: %w",
			x.cp.meta.Applied, fault.ErrOutOfStep)
	}
	var payload []byte
	for kv, err := range x.records(p.After) {
		if err != nil {
			return nil, false, fmt.Errorf("read store in %s: %w", x.dir, err)
		}
		if see != nil {
			see(kv.key, kv.value, kv.record)
		}
		payload = appendText(appendText(payload, kv.key), kv.value)
		if len(payload) >= chunkGoal {
			break
		}
	}
	if len(payload) > 0 {
		return seal(p.Chain[:], p.Chunks, 0, payload), false, nil
	}
	return seal(p.Chain[:], p.Chunks, chunkLast, binary.AppendUvarint(nil, p.Records)), true, nil
}

// WriteTo writes all chunks, as [Store.Install] reads them.
func (x *Snapshot) WriteTo(w io.Writer) (n int64, err error) {
	err = x.Each(func(chunk []byte) error {
		k, err := w.Write(chunk)
		n += int64(k)
		if err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
		return nil
	}, nil, nil)
	return n, err
}

// Each calls put with all chunks in order, until it fails, and, unless they are nil, see with every replicated record and
// local with every group-local one of a chunk before that is put. What they are given is valid until they return.
func (x *Snapshot) Each(put func(chunk []byte) error, see func(*Record), local func(key, value []byte)) error {
	var p Progress
	for last := false; !last; {
		var chunk []byte
		var err error
		chunk, last, err = x.chunk(p, func(key, value []byte, r *Record) {
			switch {
			case r != nil && see != nil:
				see(r)
			case r == nil && local != nil:
				local(key[1:], value)
			}
		})
		if err != nil {
			return err
		}
		if err := put(chunk); err != nil {
			return err
		}
		if _, _, err := p.advance(chunk); err != nil {
			panic(fmt.Sprintf("store: unreadable chunk of our own: %v", err))
		}
	}
	return nil
}

// carried is what a snapshot carries one of: a record as it is stored, and what it says if it is a replicated one.
type carried struct {
	pair
	record *Record
}

// records walks what a snapshot carries behind a stored key: group-local records, then the replicated ones that count.
func (x *Snapshot) records(behind []byte) iter.Seq2[carried, error] {
	return func(yield func(carried, error) bool) {
		if len(behind) == 0 || behind[0] == spaceLocal {
			from := append(append([]byte{}, behind...), 0) // the first key behind
			if len(behind) == 0 {
				from = []byte{spaceLocal}
			}
			for p, err := range x.view.scan(from, []byte{spaceLocal + 1}) {
				if !yield(carried{pair: p}, err) || err != nil {
					return
				}
			}
			behind = nil
		}
		// A walk begins with an owner, to know the generation.
		from := []byte{spaceReplicated}
		if len(behind) > 0 {
			end, err := ownerEnd(behind)
			if err != nil {
				yield(carried{}, err)
				return
			}
			from = behind[:end]
		}
		var key []byte
		for rec, err := range counting(x.view, from, []byte{spaceReplicated + 1}) {
			if err != nil {
				yield(carried{}, err)
				return
			}
			key = rec.append(key[:0])
			if string(key) > string(behind) && !yield(carried{pair{key, rec.Value}, &rec}, nil) {
				return
			}
		}
	}
}

// seal makes a chunk, which continues the chain of the one before.
func seal(chain []byte, number uint64, flags byte, payload []byte) []byte {
	out := make([]byte, 0, chunkHeader+len(payload)+chunkHash)
	out = append(append(out, chunkMagic...), flags)
	out = binary.LittleEndian.AppendUint64(out, number)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(payload)))
	out = append(out, payload...)
	h := chainHash(chain, out)
	return append(out, h[:]...)
}

func chainHash(chain, body []byte) [32]byte {
	h := blake3.New()
	h.Write(chain)
	h.Write(body)
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// hashOf returns the hash at a chunk's end.
func hashOf(chunk []byte) (out [32]byte) {
	copy(out[:], chunk[len(chunk)-chunkHash:])
	return out
}

// payloadLength reads a chunk's header.
func payloadLength(header []byte) (int, error) {
	if len(header) < chunkHeader || string(header[:4]) != chunkMagic {
		return 0, fault.Damaged("", 0, "it is no chunk of a snapshot")
	}
	n := binary.LittleEndian.Uint32(header[13:])
	if n > maxPayload {
		return 0, fault.Damaged("", 13, "payload of %d bytes, at most %d", n, maxPayload)
	}
	return int(n), nil
}

// advance checks a chunk as the one that follows p, moves p behind it, and returns its payload, which aliases it. After
// an error p is as before.
func (p *Progress) advance(chunk []byte) (payload []byte, last bool, err error) {
	n, err := payloadLength(chunk)
	if err != nil {
		return nil, false, err
	}
	if len(chunk) != chunkHeader+n+chunkHash {
		return nil, false, fault.Damaged("", int64(len(chunk)), "chunk of %d bytes, its payload has %d", len(chunk), n)
	}
	var before []byte
	if p.Chunks > 0 {
		before = p.Chain[:]
	}
	flags, number := chunk[4], binary.LittleEndian.Uint64(chunk[5:])
	hash := chainHash(before, chunk[:chunkHeader+n])
	switch {
	case number != p.Chunks:
		return nil, false, fmt.Errorf("chunk %d where %d is due: %w", number, p.Chunks, fault.ErrGap)
	case hash != hashOf(chunk):
		return nil, false, fault.Damaged("", int64(chunkHeader+n), "chunk %d has another hash than it says", number)
	case flags > chunkLast:
		return nil, false, fault.Damaged("", 4, "unknown flags %#x", flags)
	}
	payload, last = chunk[chunkHeader:chunkHeader+n], flags == chunkLast
	next := *p
	next.Chunks, next.Chain = number+1, hash
	switch {
	case number == 0:
		next.Head = hash
	case last:
		if count, k := binary.Uvarint(payload); k != len(payload) || count != p.Records {
			return nil, false, fault.Damaged("", chunkHeader, "the snapshot has %d records, not %d", p.Records, count)
		}
	default:
		for kv, err := range pairs(payload, p.After) {
			if err != nil {
				return nil, false, err
			}
			next.Records++
			next.After = kv.key
		}
		next.After = append([]byte{}, next.After...)
	}
	*p = next
	return payload, last, nil
}

// pairs reads the records of a payload, whose keys must rise, from behind a key.
func pairs(payload, behind []byte) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		r := reader{b: payload}
		for len(r.b) > 0 && r.err == nil {
			p := pair{r.text(maxSub + 2*512 + 64), r.text(maxValue)}
			if r.err == nil && string(p.key) <= string(behind) {
				r.err = fault.Damaged("", int64(len(payload)-len(r.b)), "keys don't rise")
			}
			if r.err != nil {
				break
			}
			behind = p.key
			if !yield(p, nil) {
				return
			}
		}
		if r.err != nil {
			yield(pair{}, r.err)
		}
	}
}
