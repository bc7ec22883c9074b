package engine

import (
	"fmt"
	"io"
)

// DumpRange writes a range entry for a reader: what it covers, the requests that it keeps, and a line for each record, with its
// value in hexadecimal.
func DumpRange(w io.Writer, entry []byte) error {
	c, err := DecodeEntry(entry)
	if err != nil {
		return fmt.Errorf("dump range: %w", err)
	}
	n := &c.Counters
	if _, err := fmt.Fprintf(w, "range origin=%v seq=%d-%d records=%d batches=%d signals=%d clamped=%d bytes=%d level=%d highest=%v\n",
		c.Range.Origin, c.Range.First, c.Range.Last, n.Records, n.Batches, n.Signals, n.Clamped, len(entry), c.Level, c.Highest); err != nil {
		return err
	}
	for i := range c.Requests {
		r := &c.Requests[i]
		if _, err := fmt.Fprintf(w, "  request seq=%d-%d producer=%q number=%d key=%q content=%016x hlc=%v\n",
			r.First, r.last(), r.Producer, r.Number, r.Key, r.Content, r.HLC); err != nil {
			return err
		}
	}
	for r := range c.Records {
		if _, err := fmt.Fprintf(w, "  %v %v=%q gen=%v sub=%q value=%x\n", r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub, r.Value); err != nil {
			return err
		}
	}
	return nil
}
