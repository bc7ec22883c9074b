package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// exportOf reads a query for events.
func (s *Server) exportOf(ctx context.Context, m *tidalpb.ExportRequest) (*tidal.ExportQuery, error) {
	if m.GetName() != "" && callOf(ctx).caller.Role < Write {
		return nil, &told{errForbidden, "a named export keeps the log, which needs a key with the role write"}
	}
	var r idReader
	q := &tidal.ExportQuery{
		Types: m.GetTypes(), User: r.id("user", m.GetUser()), Item: r.id("item", m.GetItem()), Session: m.GetSession(),
		Cursor: m.GetCursor(), Name: m.GetName(), Limit: int(m.GetLimit()), WithUndone: m.GetWithUndone(),
		Summary: &tidal.ExportSummary{},
	}
	if r.err != nil {
		return nil, r.err
	}
	var err error
	if q.From, err = timeOf("from", m.GetFrom()); err != nil {
		return nil, err
	}
	if q.To, err = timeOf("to", m.GetTo()); err != nil {
		return nil, err
	}
	return q, s.wait(ctx, "")
}

// exported runs an export. give's errors end it.
func (s *Server) exported(ctx context.Context, q *tidal.ExportQuery, give func(*tidal.Exported) error) error {
	for x, err := range s.db.Export(ctx, *q) {
		var gone *tidal.GoneError
		if errors.As(err, &gone) {
			return &told{errGone, err.Error()}
		}
		if err == nil {
			err = give(&x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Trailers of exports.
const (
	trailerWhole     = "Tidal-Export-Whole"
	trailerCursor    = "Tidal-Export-Cursor"
	trailerMissing   = "Tidal-Export-Missing"
	trailerCompacted = "Tidal-Export-Compacted"
)

func setTrailers(h http.Header, x *tidal.ExportSummary) {
	h.Set(trailerWhole, strconv.FormatBool(x.Whole))
	h.Set(trailerCursor, x.Cursor)
	h.Set(trailerMissing, strconv.FormatBool(x.Missing))
	h.Set(trailerCompacted, strconv.FormatUint(x.Compacted, 10))
}

// Export is in the schema's words.
func (x *service) Export(
	ctx context.Context, m *tidalpb.ExportRequest, stream *connect.ServerStream[tidalpb.ExportResponse],
) error {
	q, err := x.s.exportOf(ctx, m)
	if err != nil {
		return err
	}
	err = x.s.exported(ctx, q, func(e *tidal.Exported) error {
		return stream.Send(&tidalpb.ExportResponse{Event: exportedMessage(e)})
	})
	setTrailers(stream.ResponseTrailer(), q.Summary)
	return err
}

func exportedMessage(e *tidal.Exported) *tidalpb.Exported {
	out := &tidalpb.Exported{
		Kind: e.Kind, Position: e.Position.String(), Time: timeMessage(e.Time), Type: idText(e.Type), User: idText(e.User),
		Item: idText(e.Item), Creator: idText(e.Creator), Cohorts: idTexts(e.Cohorts), Session: idText(e.Session),
		Key: idText(e.Key), Ref: e.RawRef, Text: idText(e.Text), Results: idTexts(e.Results), Undone: e.Undone, Cursor: e.Cursor,
	}
	if e.Kind == "signal" {
		out.Weight = proto.Float64(e.Weight)
	}
	switch {
	case e.Session != "":
		out.Seq = proto.Int64(int64(e.Number))
	case e.Lane != "":
		out.Lane, out.Number = idText(e.Lane), proto.Int64(int64(e.Number))
	}
	if e.Trace != (tidal.TraceID{}) {
		out.Trace = hex.EncodeToString(e.Trace[:])
	}
	if r := e.Ref; r != nil {
		out.Feed, out.Place, out.Slot = proto.Uint64(r.Feed), proto.Int32(int32(r.Place)), r.Slot
		out.Propensity, out.Profile, out.ProfileVersion = proto.Float64(r.Propensity), r.Profile, proto.Uint32(r.Version)
		out.ListTime = timeMessage(r.Time)
	}
	return out
}

// exportLines answers with lines of JSON, those that tidal export prints. Trailers say how it ended; one that fails after it
// began breaks the connection off.
func exportLines(s *Server, in *input) error {
	m := &tidalpb.ExportRequest{
		From: in.time("from"), To: in.time("to"), Types: in.list("types"), User: in.text("user"), Item: in.text("item"),
		Session: in.text("session"), Cursor: in.text("cursor"), Name: in.text("name"), Limit: in.int("limit"),
		WithUndone: in.bool("with_undone"),
	}
	if in.err == nil {
		in.err = in.nothing()
	}
	if in.err != nil {
		return in.err
	}
	q, err := s.exportOf(in.c.r.Context(), m)
	if err != nil {
		return err
	}
	w := &lineAnswer{c: in.c}
	var line []byte
	err = s.exported(in.c.r.Context(), q, func(e *tidal.Exported) error {
		line = append(e.AppendJSON(line[:0]), '\n')
		return w.write(line)
	})
	if err == nil {
		err = w.end()
	}
	switch {
	case err == nil:
		setTrailers(in.c.w.Header(), q.Summary)
		return nil
	case in.c.w.status == 0:
		return err
	}
	in.c.failed(s.kindOfProblem(err).code, fmt.Errorf("export: %w", err))
	panic(http.ErrAbortHandler)
}

// lineAnswer is an answer of many lines, compressed for who takes that.
type lineAnswer struct {
	c        *call
	compress connect.Compressor
	out      io.Writer
}

func (w *lineAnswer) begin() {
	h := w.c.w.Header()
	h.Set("Content-Type", typeLines)
	h.Set("Trailer", strings.Join([]string{trailerWhole, trailerCursor, trailerMissing, trailerCompacted}, ", "))
	h.Add("Vary", "Accept-Encoding")
	w.out = w.c.w
	if encoding := acceptedEncoding(w.c.r.Header); encoding != "" {
		h.Set("Content-Encoding", encoding)
		w.compress = newCompressor(encoding)
		w.compress.Reset(w.c.w)
		w.out = w.compress
	}
	w.c.w.WriteHeader(http.StatusOK)
}

func (w *lineAnswer) write(line []byte) error {
	if w.out == nil {
		w.begin()
	}
	_, err := w.out.Write(line)
	return err
}

func (w *lineAnswer) end() error {
	if w.out == nil {
		w.begin()
	}
	if w.compress == nil {
		return nil
	}
	return w.compress.Close()
}

// ListExports is in the schema's words.
func (x *adminService) ListExports(ctx context.Context, _ *tidalpb.ListExportsRequest) (*tidalpb.ListExportsResponse, error) {
	all, err := x.s.db.Exports(ctx)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.ListExportsResponse{}
	for i := range all {
		e := &all[i]
		pin := &tidalpb.ExportPin{
			Name: e.Name, Cursor: e.Cursor, Created: timeMessage(e.Created), Advanced: timeMessage(e.Advanced),
			LagBytes: e.LagBytes, Oldest: timeMessage(e.Oldest), Gone: e.Gone, Stale: e.Stale,
		}
		if e.Err != nil {
			pin.Damage = "its file can't be read; the server's log says why"
		}
		out.Exports = append(out.Exports, pin)
	}
	return out, nil
}

// AdvanceExport is in the schema's words.
func (x *adminService) AdvanceExport(ctx context.Context, m *tidalpb.AdvanceExportRequest) (*tidalpb.AdvanceExportResponse, error) {
	if err := x.s.db.AdvanceExport(ctx, m.GetName(), m.GetCursor()); err != nil {
		return nil, err
	}
	return &tidalpb.AdvanceExportResponse{}, nil
}

// DropExport is in the schema's words.
func (x *adminService) DropExport(ctx context.Context, m *tidalpb.DropExportRequest) (*tidalpb.DropExportResponse, error) {
	if err := x.s.db.DropExport(ctx, m.GetName()); err != nil {
		return nil, err
	}
	return &tidalpb.DropExportResponse{}, nil
}
