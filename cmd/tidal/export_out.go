package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// exportOut is where lines go: standard output or a file.
type exportOut struct {
	buffered *bufio.Writer
	file     *os.File // nil for standard output
	path     string
	temp     bool   // the file takes its name when it is whole
	cursor   string // where the file that was there ends; empty without
	last     string // the cursor of the last line written
	kept     string // the cursor up to which lines are safe
	written  int    // bytes since the last keep
	since    time.Time
}

// Lines are made safe when so many bytes have gathered, or after so long.
const (
	keepBytes = 4 << 20
	keepAfter = 5 * time.Second
)

// openExport opens what --out names. A file of events that is there already goes on behind its last whole line; pairs and
// trajectories are made whole, under another name until they are.
func (a *app) openExport(c *cobra.Command, f *exportFlags) (*exportOut, error) {
	out := &exportOut{path: f.out, since: time.Now()}
	switch {
	case f.out == "":
		out.buffered = bufio.NewWriterSize(a.stdout, 1<<16)
		return out, nil
	case f.as != "events":
		if _, err := os.Stat(f.out); !errors.Is(err, fs.ErrNotExist) {
			return nil, tidalInput("--out %s is there already; remove it, or name another file", f.out)
		}
		out.temp = true
		file, err := os.Create(f.out + ".part")
		if err != nil {
			return nil, fmt.Errorf("write lines: %w", err)
		}
		out.file = file
	default:
		file, err := os.OpenFile(f.out, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("write lines: %w", err)
		}
		if out.cursor, err = continueFile(file); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if out.cursor != "" && f.query.Cursor != "" {
			return nil, errors.Join(usagef(c, "--out %s goes on behind its last line; leave out --cursor", f.out), file.Close())
		}
		out.file, out.kept = file, out.cursor
	}
	out.buffered = bufio.NewWriterSize(out.file, 1<<16)
	return out, nil
}

// continueFile cuts what a crash left of a last line, and returns the cursor of the line before it; empty for a file without
// one. What isn't an export is refused and left as it is.
func continueFile(file *os.File) (cursor string, err error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "", err
	}
	tail := make([]byte, min(size, maxExportLine))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return "", fmt.Errorf("read %s: %w", file.Name(), err)
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	whole := size - int64(len(tail)-end)
	if end > 0 {
		line := tail[:end-1]
		line = line[bytes.LastIndexByte(line, '\n')+1:]
		var x tidal.Exported
		if err := x.UnmarshalJSON(line); err != nil || x.Cursor == "" {
			return "", tidalInput("%s doesn't end with an exported event, so nothing can be added to it", file.Name())
		}
		cursor = x.Cursor
	} else if begins := []byte(`{"kind":"`); size > maxExportLine || !bytes.HasPrefix(tail, begins[:min(len(tail), len(begins))]) {
		return "", tidalInput("%s isn't a file of exported events, so nothing can be added to it", file.Name())
	} else {
		whole = 0
	}
	if whole < size {
		if err := file.Truncate(whole); err != nil {
			return "", fmt.Errorf("cut %s: %w", file.Name(), err)
		}
	}
	_, err = file.Seek(whole, io.SeekStart)
	return cursor, err
}

// maxExportLine is more than a line can have: an event's texts, escaped, and its cursor.
const maxExportLine = 64 << 10

func (o *exportOut) write(line []byte) error {
	o.written += len(line)
	if _, err := o.buffered.Write(line); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// due reports whether lines should be made safe.
func (o *exportOut) due() bool {
	return o.written >= keepBytes || o.written > 0 && o.written%64 == 0 && time.Since(o.since) >= keepAfter
}

// keep makes lines safe, and then calls advance, for which they are done with.
func (o *exportOut) keep(advance func() error) error {
	err := o.buffered.Flush()
	if err == nil && o.file != nil {
		err = o.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	if err := advance(); err != nil {
		return err
	}
	if o.last != "" {
		o.kept = o.last
	}
	o.written, o.since = 0, time.Now()
	return nil
}

// close closes the file. Shapes take their name if all went well, and leave nothing if not.
func (o *exportOut) close(failed error) error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	switch {
	case !o.temp:
	case failed != nil || err != nil:
		_ = os.Remove(o.path + ".part") // the failure is what counts
	default:
		err = os.Rename(o.path+".part", o.path)
	}
	if err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// exportedLines reads the lines of an export. Kinds that it doesn't know are passed over.
func exportedLines(ctx context.Context, in io.Reader) iter.Seq2[tidal.Exported, error] {
	return func(yield func(tidal.Exported, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(make([]byte, 0, 1<<16), maxExportLine)
		for n := 1; lines.Scan(); n++ {
			var x tidal.Exported
			err := ctx.Err()
			if err == nil {
				if err = x.UnmarshalJSON(lines.Bytes()); err != nil {
					err = tidalInput("line %d: %v", n, err)
				}
			}
			if err == nil && x.Kind != "signal" {
				continue
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(tidal.Exported{}, fmt.Errorf("read events: %w", err))
		}
	}
}
