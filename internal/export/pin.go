package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/tidaldb/tidal/internal/fault"
)

// Pin is a named export: what lies behind its cursor must stay in the log.
type Pin struct {
	// Name is as [CheckName] wants it.
	Name string
	// Cursor is how far the export was read and kept by whoever reads it.
	Cursor Cursor
	// Created is when the name was first used, Advanced when the cursor moved last, in Unix milliseconds; at first both are
	// the same.
	Created, Advanced int64
}

const (
	pinFormat = 1
	// MaxName is the longest name of an export, in bytes.
	MaxName = 63
	// MaxPin bounds the size of a pin's file in bytes.
	MaxPin = 8 << 10
)

// CheckName refuses what can't name an export: 1 to 63 small letters, digits, '-', '_' and '.', the first a letter or digit.
func CheckName(name string) error {
	bad := name == "" || len(name) > MaxName
	for i, r := range name {
		plain := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		bad = bad || !plain && (i == 0 || r != '-' && r != '_' && r != '.')
	}
	if bad {
		return fault.Refuse("name", "%q can't name an export: 1 to %d of a-z, 0-9, '-', '_' and '.', beginning with a "+
			"letter or digit", name, MaxName)
	}
	return nil
}

// pinFile is the file, as JSON.
type pinFile struct {
	Format   int    `json:"format"`
	Name     string `json:"name"`
	Cursor   string `json:"cursor"`
	Created  int64  `json:"created_ms"`
	Advanced int64  `json:"advanced_ms"`
	// Sum is CRC-32C, in hex, of the file with an empty sum.
	Sum string `json:"sum"`
}

// Encode returns the bytes of the pin's file.
func (p *Pin) Encode() []byte {
	f := pinFile{
		Format: pinFormat, Name: p.Name, Cursor: p.Cursor.Text(), Created: p.Created, Advanced: p.Advanced,
	}
	f.Sum = fmt.Sprintf("%08x", crc32.Checksum(f.encode(), castagnoli()))
	return f.encode()
}

func (f *pinFile) encode() []byte {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("export: encode pin: %v", err)) // it holds numbers and texts
	}
	return append(b, '\n')
}

// DecodePin reads the file at path. It takes exactly what [Pin.Encode] writes: everything else is a *[fault.Corrupt], or
// [fault.ErrFormatTooNew].
func DecodePin(path string, data []byte) (Pin, error) {
	if len(data) > MaxPin {
		return Pin{}, fault.Damaged(path, 0, "it has %d bytes; the file of an export has at most %d", len(data), MaxPin)
	}
	// The format decides what the rest means, so it is read first and alone.
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &format); err != nil {
		return Pin{}, fault.Damaged(path, 0, "it is no export: %v", err)
	}
	if format.Format > pinFormat {
		return Pin{}, fmt.Errorf("%s has format %d, this program knows up to %d: %w", path, format.Format, pinFormat,
			fault.ErrFormatTooNew)
	}
	var f pinFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Pin{}, fault.Damaged(path, 0, "it is no export: %v", err)
	}
	p := Pin{Name: f.Name, Created: f.Created, Advanced: f.Advanced}
	if err := CheckName(f.Name); err != nil {
		return Pin{}, fault.Damaged(path, 0, "%v", err)
	}
	var err error
	if p.Cursor, err = ParseCursor("cursor", f.Cursor); err != nil {
		return Pin{}, fault.Damaged(path, 0, "%v", err)
	}
	if !bytes.Equal(p.Encode(), data) {
		return Pin{}, fault.Damaged(path, 0, "it isn't as it was written: its checksum doesn't fit")
	}
	return p, nil
}
