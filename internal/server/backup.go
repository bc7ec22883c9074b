package server

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// maxChunk is the size of the messages that a backup comes in.
const maxChunk = 64 << 10

// Backup is in the schema's words.
func (x *adminService) Backup(
	ctx context.Context, m *tidalpb.BackupRequest, stream *connect.ServerStream[tidalpb.BackupResponse],
) error {
	_, err := x.s.backup(ctx, m.GetWithoutLog(), chunks{stream})
	return err
}

func (s *Server) backup(ctx context.Context, withoutLog bool, w io.Writer) (tidal.BackupInfo, error) {
	if withoutLog {
		return s.db.BackupState(ctx, w)
	}
	return s.db.Backup(ctx, w)
}

// chunks writes bytes as messages.
type chunks struct {
	stream *connect.ServerStream[tidalpb.BackupResponse]
}

func (c chunks) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(len(p), n+maxChunk)]
		if err := c.stream.Send(&tidalpb.BackupResponse{Chunk: part}); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// backupBytes answers with a backup as it is. One that fails after it began breaks the connection off, so that nobody takes
// what came for all of it; the reader of backups would find out, too.
func backupBytes(s *Server, in *input) error {
	withoutLog := in.bool("without_log")
	if in.err != nil {
		return in.err
	}
	if err := in.nothing(); err != nil {
		return err
	}
	w := in.c.w
	w.Header().Set("Content-Type", typeBytes)
	w.Header().Set("Content-Disposition", `attachment; filename="tidal.backup"`)
	_, err := s.backup(in.c.r.Context(), withoutLog, w)
	if err != nil && w.status != 0 {
		in.c.failed(s.kindOfProblem(err).code, fmt.Errorf("backup: %w", err))
		panic(http.ErrAbortHandler)
	}
	return err
}
