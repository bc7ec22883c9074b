package record

import (
	"fmt"
	"io"
)

// Dump writes a batch for a reader: two lines for header and extension, then one line per record as [Describe] prints
// it. It writes all that it can read, then returns the error that stopped it, of the batch or of w.
func Dump(w io.Writer, data []byte) error {
	b, err := Open(data)
	if err != nil {
		return fmt.Errorf("dump batch: %w", err)
	}
	h, e := &b.Header, &b.Ext
	what := "batch"
	if e.Projection {
		what = "projection"
	}
	stamp := appendTime(nil, int64(h.Timestamp/nanosPerMilli))
	if _, err := fmt.Fprintf(w, "%s v%d origin=%v seq=%d-%d records=%d bytes=%d timestamp=%s checksum=%08x\n",
		what, h.Version, b.Origin(), h.First, h.Last, h.Count, len(data), stamp, h.Checksum); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "  schema=%v base=%v epoch=%d level=%d producers=%q\n",
		e.Schema, e.Base, e.Epoch, e.Level, e.Producers); err != nil {
		return err
	}
	var damaged error // the first damaged body; those behind it can still be read
	for rec, err := range b.Records() {
		if rec.Kind != 0 {
			line, bad := describe(&rec)
			if damaged == nil {
				damaged = bad
			}
			if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("dump batch: %w", err)
		}
	}
	if damaged != nil {
		return fmt.Errorf("dump batch: %w", damaged)
	}
	return nil
}
