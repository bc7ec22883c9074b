package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
)

// A token is
//
//	u8   version, 1
//	u8   what it is: 'r' for a reference, 'p' for a pinned list, 's' for what was seen
//	u32  id of the key, little endian
//	     contents
//	16B  MAC: the first half of HMAC-SHA-256 under the key, over all before it
//
// The MAC is cut as RFC 2104 allows; 128 bits are more than anybody guesses.
const (
	version    = 1
	headerSize = 6
	macSize    = 16

	kindRef    = 'r'
	kindPinned = 'p'
	kindSeen   = 's'
)

// Key seals tokens. Its secret has 32 bytes.
type Key struct {
	ID     uint32
	Secret [32]byte
}

// Keys are the keys of a database, newest first: the first one seals, each opens. At least one.
type Keys []Key

// find returns the key of an id, nil if it isn't there any more or never was.
func (k Keys) find(id uint32) *Key {
	i := slices.IndexFunc(k, func(x Key) bool { return x.ID == id })
	if i < 0 {
		return nil
	}
	return &k[i]
}

func (k *Key) mac(b []byte) []byte {
	h := hmac.New(sha256.New, k.Secret[:])
	h.Write(b)
	return h.Sum(nil)[:macSize]
}

// begin appends the header of a token; seal, called with where that began, ends it.
func begin(dst []byte, keys Keys, kind byte) []byte {
	dst = append(dst, version, kind)
	return binary.LittleEndian.AppendUint32(dst, keys[0].ID)
}

func seal(dst []byte, at int, keys Keys) []byte {
	return append(dst, keys[0].mac(dst[at:])...)
}

// open returns a token's contents. field names the token in errors.
func open(keys Keys, kind byte, field string, b []byte) ([]byte, error) {
	if len(b) < headerSize+macSize {
		return nil, fault.Refuse(field, "has %d bytes; it was cut short, or is none of ours", len(b))
	}
	switch {
	case b[0] > version:
		return nil, fault.Refuse(field, "has version %d; this program knows up to %d", b[0], version)
	case b[0] != version || b[1] != kind:
		return nil, fault.Refuse(field, "is something else: it begins with %#x %#x", b[0], b[1])
	}
	key := keys.find(binary.LittleEndian.Uint32(b[2:]))
	if key == nil {
		return nil, &unknownKey{fault.Refuse(field, "is sealed by a key that this database doesn't have: it's another database's, or too old")}
	}
	body := b[:len(b)-macSize]
	if !hmac.Equal(key.mac(body), b[len(body):]) {
		return nil, fault.Refuse(field, "isn't as it was given out: its seal doesn't fit")
	}
	return body[headerSize:], nil
}

// ErrKey matches the refusal of a token that a key has sealed which isn't there: it may be on its way from another region.
var ErrKey = errors.New("key isn't known")

// unknownKey is a refusal that says ErrKey, too.
type unknownKey struct{ refusal error }

func (e *unknownKey) Error() string { return e.refusal.Error() }

func (e *unknownKey) Unwrap() []error { return []error{e.refusal, ErrKey} }

// reader takes sealed contents apart. What it meets was written by us, so whatever doesn't fit is said once, at the end.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number that isn't large.
func (r *reader) count() int {
	v := r.uvarint()
	if v > 1<<31-1 {
		r.bad, r.b = true, nil
		return 0
	}
	return int(v)
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) u32() uint32 {
	if len(r.b) < 4 {
		r.bad, r.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *reader) u64() uint64 {
	lo := r.u32()
	return uint64(r.u32())<<32 | uint64(lo)
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
