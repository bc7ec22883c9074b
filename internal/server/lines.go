package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Bounds of a body of lines. They make what a stream takes of memory independent of its length.
const (
	// maxLine is the longest line, in bytes; a signal with all that it can have fits several times.
	maxLine = 64 << 10
	// maxLines and defaultLines are how many lines make a request, at most and where nothing is said.
	maxLines     = 1000
	defaultLines = 100
	// maxGathered is how many bytes of lines make a request. The next one begins where a line would pass it.
	maxGathered = 512 << 10
)

// lineReader cuts a body into requests. Where one ends depends on the body and the parameters alone, never on time: so the
// same body sent again makes the same requests. A line without content ends a request.
type lineReader struct {
	in    *bufio.Reader
	batch int

	line  int64  // number of the last line read
	ahead []byte // a line that belongs to the next request
	end   error
}

// gathered is one request's lines.
type gathered struct {
	first, last int64
	numbers     []int64 // of the line of each signal
	signals     []*tidalpb.Signal
}

// next reads the lines of a request; with io.EOF there are none left. A line that can't be read is an error that says which.
func (r *lineReader) next() (*gathered, error) {
	g := &gathered{}
	size := 0
	for len(g.signals) < r.batch {
		line, err := r.take()
		if err != nil {
			if errors.Is(err, io.EOF) && len(g.signals) > 0 {
				return g, nil
			}
			return g, err
		}
		if len(line) == 0 {
			if len(g.signals) > 0 {
				return g, nil
			}
			continue
		}
		if size += len(line); size > maxGathered && len(g.signals) > 0 {
			r.ahead = bytes.Clone(line)
			return g, nil
		}
		m := &tidalpb.Signal{}
		if err := readMessage(line, m); err != nil {
			return g, &badLine{err, r.line}
		}
		if g.first == 0 {
			g.first = r.line
		}
		g.last = r.line
		g.signals, g.numbers = append(g.signals, m), append(g.numbers, r.line)
	}
	return g, nil
}

// take returns the next line without the blanks around it. It is valid until the next call.
func (r *lineReader) take() ([]byte, error) {
	if r.ahead != nil {
		line := r.ahead
		r.ahead = nil
		return line, nil
	}
	if r.end != nil {
		return nil, r.end
	}
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		r.end = &badLine{&told{errTooLarge, "the line has more than " + itoa(maxLine) + " bytes"}, r.line + 1}
		return nil, r.end
	case errors.Is(err, io.EOF):
		r.end = io.EOF
		if len(line) == 0 {
			return nil, io.EOF
		}
	case err != nil: // what came of the line isn't all of it
		r.end = readError(err)
		return nil, r.end
	}
	r.line++
	return bytes.TrimSpace(line), nil
}

// badLine is an error that a line made.
type badLine struct {
	error
	line int64
}

func (e *badLine) Unwrap() error { return e.error }

// signalLines writes the signals of a body of lines, request by request. It reads no further while one is being written,
// which is what holds back a caller who sends faster than the disk takes it.
func (s *Server) signalLines(in *input) error {
	c := in.c
	lane, number, batch := in.text("lane"), in.int("number"), in.int("batch")
	if in.err != nil {
		return in.err
	}
	switch {
	case batch < 0 || batch > maxLines:
		return fault.Refuse("batch", "is %d; it must be from 1 to %d", batch, maxLines)
	case number < 0:
		return fault.Refuse("number", "is %d; the requests of a lane are numbered from 1", number)
	case number > 0 && lane == "":
		return fault.Refuse("number", "stands without a lane")
	case c.r.Header.Get(headerKey) != "":
		return fault.Refuse(headerKey, "is for a single request; lines that may be sent again need a lane")
	case batch == 0:
		batch = defaultLines
	}
	if lane != "" && number == 0 {
		number = 1
	}
	if err := s.lead(lane != ""); err != nil {
		return err
	}
	body, err := decompressed(c.r, 0)
	if err != nil {
		return err
	}
	c.fullDuplex()
	defer c.endsWithServer()()
	w := &lineWriter{s: s, c: c}
	err = w.run(&lineReader{in: bufio.NewReaderSize(body, maxLine), batch: int(batch)}, lane, number)
	if err == nil {
		w.head()
		return nil
	}
	w.fail(&partly{err, w.kept})
	return nil
}

// fail ends the answer with a problem: as its whole content, or as its last line.
func (w *lineWriter) fail(err error) {
	if w.c.w.status == 0 {
		w.c.explain(err)
		w.c.w.Flush()
	} else {
		kind, p := w.s.problemOf(w.c, err)
		w.c.failed(kind.code, err)
		w.answer(&tidalpb.LinesWritten{Kept: w.kept, Problem: p})
	}
	if !errors.Is(err, errSlow) {
		w.c.drain()
	}
}

// lineWriter writes requests and answers each with a line.
type lineWriter struct {
	s    *Server
	c    *call
	kept int64
}

func (w *lineWriter) run(lines *lineReader, lane string, number int64) error {
	for ; ; number++ {
		g, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m := &tidalpb.WriteRequest{Records: signalRecords(g.signals...)}
		if lane != "" {
			m.Lane, m.Number = lane, number
		}
		receipt, err := w.s.write(w.c.r.Context(), m, "")
		if err != nil {
			return g.blame(err)
		}
		w.kept += int64(len(g.signals))
		w.head()
		w.answer(&tidalpb.LinesWritten{
			FirstLine: g.first, LastLine: g.last, Number: m.Number, Kept: w.kept, Receipt: receipt,
		})
	}
}

// blame says which line an error is about, if it is about one.
func (g *gathered) blame(err error) error {
	var in *fault.Input
	if errors.As(err, &in) && in.Record >= 0 && in.Record < len(g.numbers) {
		return &badLine{err, g.numbers[in.Record]}
	}
	return err
}

func (w *lineWriter) head() {
	if w.c.w.status == 0 {
		w.c.w.Header().Set("Content-Type", typeLines)
		w.c.w.WriteHeader(http.StatusOK)
	}
}

// answer writes a line. Who went away can't be told; reading more from them fails.
func (w *lineWriter) answer(m *tidalpb.LinesWritten) {
	_, _ = w.c.w.Write(append(appendMessage(nil, m.ProtoReflect(), true), '\n'))
	w.c.w.Flush()
}

// partly is the failure of a stream of which something was kept.
type partly struct {
	error
	kept int64
}

func (e *partly) Unwrap() error { return e.error }
