package backup_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/fault"
)

// FuzzReader reads arbitrary bytes: it ends with an error that says what is wrong, or the bytes are a whole backup.
func FuzzReader(f *testing.F) {
	c := sample()
	whole := write(f, &c)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("TDBK"))
	f.Fuzz(func(t *testing.T, b []byte) { readAny(t, b) })
}

// FuzzPayloads puts arbitrary payloads into frames whose hashes are right, which no chance would come to: what is accepted
// then is read as it would be written.
func FuzzPayloads(f *testing.F) {
	c := sample()
	whole := write(f, &c)
	payloads := map[backup.Part][]byte{}
	for _, r := range frames(f, whole) {
		payloads[r.Part] = r.Payload
	}
	f.Add(payloads[backup.PartHead], payloads[backup.PartKeys], payloads[backup.PartStore], payloads[backup.PartLog],
		payloads[backup.PartManifest])
	f.Fuzz(func(t *testing.T, head, keys, chunk, log, manifest []byte) {
		all := []backup.RawFrame{
			{Part: backup.PartHead, Payload: head},
			{Part: backup.PartKeys, Payload: keys},
			{Part: backup.PartStore, Payload: chunk},
			{Part: backup.PartLog, Payload: log},
			{Part: backup.PartManifest, Payload: manifest},
		}
		readAny(t, backup.Frames(all...))
	})
}

// readAny reads to the end or to the first error, which must be one of those that are promised.
func readAny(t *testing.T, b []byte) {
	t.Helper()
	c, size, err := read(bytes.NewReader(b))
	if err != nil {
		if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
			t.Fatalf("an error that isn't promised: %v", err)
		}
		return
	}
	if size != int64(len(b)) {
		t.Fatalf("%d of %d bytes were read", size, len(b))
	}
	// Written again it is the same but for how many entries a frame holds.
	again := write(t, &c)
	if got, _, err := read(bytes.NewReader(again)); err != nil || got.manifest.Entries != c.manifest.Entries {
		t.Fatalf("written again it reads as %+v, %v", got, err)
	}
}

// frames takes a backup apart.
func frames(t testing.TB, b []byte) (out []backup.RawFrame) {
	t.Helper()
	for len(b) > 0 {
		n := int(b[13]) | int(b[14])<<8 | int(b[15])<<16 | int(b[16])<<24
		out = append(out, backup.RawFrame{Part: backup.Part(b[4]), Payload: bytes.Clone(b[17 : 17+n])})
		b = b[17+n+32:]
	}
	return out
}

// TestFramesAreSealedOneAfterTheOther takes a backup apart and puts it together again; with two frames exchanged it's
// refused, although each of them is as it was.
func TestFramesAreSealedOneAfterTheOther(t *testing.T) {
	c := sample()
	whole := write(t, &c)
	all := frames(t, whole)
	if !bytes.Equal(backup.Frames(all...), whole) {
		t.Fatal("frames can't be put together again")
	}
	var sealed [][]byte
	for b := whole; len(b) > 0; {
		n := 17 + (int(b[13]) | int(b[14])<<8) + 32
		sealed = append(sealed, b[:n])
		b = b[n:]
	}
	sealed[2], sealed[3] = sealed[3], sealed[2]
	r, err := backup.NewReader(bytes.NewReader(bytes.Join(sealed, nil)))
	for err == nil {
		_, err = r.Next()
	}
	if errors.Is(err, io.EOF) || !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("with two chunks exchanged: %v", err)
	}
}
