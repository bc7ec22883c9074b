package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// How a region that begins is given another one's state: it asks for one piece of a copy after the other. The bytes are
// described in docs/format/question.md.

// copyMark is the first byte of what asks for a copy; a question's is its version.
const copyMark = 'C'

// copyVersion is the version of what asks for a copy and of its answers.
const copyVersion = 1

// wanted asks for a piece of a copy.
type wanted struct {
	// Region is who asks.
	Region id.Region
	// Copy is the copy's number, 0 to begin one, and Offset where the piece begins in it. The piece that was given last
	// may be asked for again.
	Copy, Offset uint64
}

func (w *wanted) encode() []byte {
	b := []byte{copyMark, copyVersion}
	b = binary.AppendUvarint(b, uint64(w.Region))
	b = binary.AppendUvarint(b, w.Copy)
	return binary.AppendUvarint(b, w.Offset)
}

func decodeWanted(b []byte) (wanted, error) {
	r := reader{rest: b, what: "copy"}
	mark := r.byte("mark")
	r.check(mark == copyMark, "mark", "is %#x", mark)
	r.ofVersion(copyVersion)
	w := wanted{
		Region: id.Region(r.uvarint("region", 1<<16-1)), Copy: r.uvarint("copy", 1<<64-1), Offset: r.uvarint("offset", 1<<63-1),
	}
	r.check(w.Copy > 0 || w.Offset == 0, "offset", "is %d in a copy that is about to begin", w.Offset)
	return w, r.end()
}

// pieceCode says what a piece is.
type pieceCode uint8

const (
	// pieceData: there are bytes, or it's the end.
	pieceData pieceCode = iota + 1
	// pieceLater: there are none yet; ask again.
	pieceLater
	// pieceBusy: another region is being given a copy; ask later, or somebody else.
	pieceBusy
	// pieceGone: the copy isn't held any more; begin anew.
	pieceGone
	// pieceRefused: the question is wrong.
	pieceRefused
	pieceCodes
)

// piece is the answer.
type piece struct {
	Code pieceCode
	// Text says what is wrong, "" if nothing is.
	Text string
	// Copy and Offset are what it is a piece of, and Last says that nothing follows.
	Copy, Offset uint64
	Last         bool
	Data         []byte
}

func (p *piece) encode() []byte {
	last := byte(0)
	if p.Last {
		last = 1
	}
	b := make([]byte, 0, len(p.Data)+len(p.Text)+40)
	b = append(b, copyVersion, byte(p.Code), last)
	b = appendText(b, p.Text)
	b = binary.AppendUvarint(b, p.Copy)
	b = binary.AppendUvarint(b, p.Offset)
	b = binary.AppendUvarint(b, uint64(len(p.Data)))
	return append(b, p.Data...)
}

func decodePiece(b []byte) (piece, error) {
	r := reader{rest: b, what: "piece"}
	r.ofVersion(copyVersion)
	p := piece{Code: pieceCode(r.byte("code"))}
	r.check(p.Code > 0 && p.Code < pieceCodes, "code", "%d is none", uint8(p.Code))
	last := r.byte("last")
	r.check(last <= 1, "last", "%d is neither 0 nor 1", last)
	p.Last, p.Text = last == 1, r.text("text")
	p.Copy, p.Offset = r.uvarint("copy", 1<<64-1), r.uvarint("offset", 1<<63-1)
	p.Data = r.bytes("data", int(r.uvarint("data", maxFrame)))
	return p, r.end()
}

// err is what the answer amounts to for who asked.
func (p *piece) err() error {
	switch p.Code {
	case pieceData, pieceLater:
		return nil
	case pieceBusy:
		return fmt.Errorf("%s: %w", p.Text, fault.ErrOverloaded)
	case pieceGone:
		return fmt.Errorf("%s: %w", p.Text, fault.ErrNotFound)
	}
	return &fault.Input{Record: -1, Reason: p.Text}
}

// pulled is the stream of one copy as it is pulled from a member, an io.Reader. A connection that breaks is made again, and the
// copy goes on where it was; one that the member doesn't hold any more ends it.
type pulled struct {
	ctx     context.Context
	links   *links
	address string
	region  id.Region
	*patience

	copy, offset uint64 // of what was asked for
	data         []byte // that wasn't read yet
	last         bool
}

// Read implements io.Reader.
func (p *pulled) Read(b []byte) (int, error) {
	for len(p.data) == 0 {
		if p.last {
			return 0, io.EOF
		}
		if err := p.more(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

// pieceBound is how long a piece may take.
const pieceBound = time.Minute

// more asks until there is a piece.
func (p *pulled) more() error {
	pause := time.NewTicker(joinPause)
	defer pause.Stop()
	for {
		got, err := p.ask()
		switch {
		case p.ctx.Err() != nil:
			return p.ctx.Err()
		case err == nil && got.Code == pieceData:
			p.copy, p.data, p.last = got.Copy, got.Data, got.Last
			p.offset += uint64(len(got.Data))
			p.links.drawn.Add(uint64(len(got.Data)))
			p.moved()
			return nil
		case err == nil: // there is none yet, and the member was waited for
			continue
		case p.copy == 0, errors.Is(err, fault.ErrNotFound), final(err), p.over(), p.still() > lendIdle:
			return err // another member may give one
		}
		select {
		case <-pause.C:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

func (p *pulled) ask() (piece, error) {
	ctx, cancel := context.WithTimeout(p.ctx, pieceBound)
	defer cancel()
	b, err := p.links.tr.Ask(ctx, p.address, (&wanted{Region: p.region, Copy: p.copy, Offset: p.offset}).encode())
	if err != nil {
		return piece{}, err
	}
	got, err := decodePiece(b)
	if err == nil {
		err = got.err()
	}
	if err == nil && got.Copy == 0 {
		err = fault.Refuse("piece.copy", "has no number")
	}
	if err == nil && (got.Offset != p.offset || p.copy > 0 && got.Copy != p.copy) {
		err = fault.Refuse("piece.offset", "is %d of copy %d where %d of copy %d is due", got.Offset, got.Copy, p.offset, p.copy)
	}
	if err == nil && got.Code == pieceLater {
		p.copy = got.Copy
	}
	return got, err
}

// patience ends when nothing has moved for a while.
type patience struct {
	bound time.Duration
	last  time.Time
}

func newPatience(bound time.Duration) *patience { return &patience{bound, time.Now()} }

func (p *patience) moved()               { p.last = time.Now() }
func (p *patience) still() time.Duration { return time.Since(p.last) }
func (p *patience) over() bool           { return p.still() > p.bound }
