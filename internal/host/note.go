package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Small files of a directory that people may look at are of one form: JSON with a format and a checksum among its fields.
// See docs/format/directory.md.

// encodeNote returns the bytes of a note.
func encodeNote(note any) []byte {
	b, err := json.MarshalIndent(note, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("host: encode %T: %v", note, err)) // it holds numbers and texts
	}
	return append(b, '\n')
}

// sumNote is the checksum of a note whose own field for it is empty: CRC-32C, in hex.
func sumNote(note any) string {
	return fmt.Sprintf("%08x", crc32.Checksum(encodeNote(note), crc32.MakeTable(crc32.Castagnoli)))
}

// decodeNote reads a note's fields, up to a format; which they have to be and the checksum are the caller's. What is what the file
// should hold, for people.
func decodeNote(path string, b []byte, known int, what string, note any) error {
	// The format decides what the rest means, so it is read first and alone.
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &format); err != nil {
		return fault.Damaged(path, 0, "%s: %v", what, err)
	}
	if format.Format > known {
		return fmt.Errorf("%s has format %d, this program knows up to %d; open it with a newer tidal: %w",
			path, format.Format, known, fault.ErrFormatTooNew)
	}
	// A field that this format doesn't have is one of its own, damaged.
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(note); err != nil {
		return fault.Damaged(path, 0, "%s: %v", what, err)
	}
	return nil
}

// readNote reads the bytes of a note; found is false if there is none.
func readNote(fsys vfs.FS, path string) (b []byte, found bool, err error) {
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", path, err)
	}
	b, err = io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", path, err)
	}
	return b, true, nil
}
