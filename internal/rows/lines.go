package rows

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of an import file, and so the memory that reading one takes.
const maxLine = 1 << 20

// lines reads a file by lines, in bounded memory.
type lines struct {
	r *bufio.Reader
	Place
	buf []byte
}

// next returns the next line without its end; it is valid until the call after. A line that is too long is read to
// its end and answered with a Error.
func (l *lines) next() ([]byte, error) {
	l.Line++
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		long = long || len(l.buf)+len(part) > maxLine
		if !long {
			l.buf = append(l.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (long || len(l.buf) > 0), err == nil:
			if long {
				return nil, l.bad(causeLong, "the line is longer than %d bytes", maxLine)
			}
			return trimEnd(l.buf), nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("read %s: %w", l.File, err)
		}
	}
}

// nextFilled returns the next line that isn't empty: empty lines are no rows.
func (l *lines) nextFilled() ([]byte, error) {
	for {
		line, err := l.next()
		if err != nil || len(line) > 0 {
			return line, err
		}
	}
}

// trimEnd drops the line's end, which may be that of a Windows file.
func trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
