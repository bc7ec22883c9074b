package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/backup"
)

// fetchBackup asks a server for a backup and writes it to w. All of it is checked on the way, but for whether its digests
// are those of what it holds: a restore tells that.
func fetchBackup(ctx context.Context, server, key string, noLog bool, w io.Writer) (info tidal.BackupInfo, err error) {
	url := server + "/v1/admin/backup"
	if noLog {
		url += "?without_log=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return info, err
	}
	// What is compressed on the way would be checked later than it was received.
	req.Header.Set("Accept-Encoding", "identity")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return info, fmt.Errorf("ask the server: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return info, refusal(resp)
	}
	return receiveBackup(resp.Body, w)
}

// receiveBackup copies a backup and says what is in it.
func receiveBackup(from io.Reader, to io.Writer) (info tidal.BackupInfo, err error) {
	r, err := backup.NewReader(io.TeeReader(from, to))
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, io.EOF) {
		return info, err
	}
	m := r.Manifest()
	return tidal.BackupInfo{
		At: m.At, Bytes: r.Offset(), Entries: int64(m.Entries), Signals: int64(m.Signals), Vector: m.Vector, Digest: m.Digest,
		DigestCells: m.Cells,
	}, nil
}

// refusal is what a server answered instead.
func refusal(resp *http.Response) error {
	var problem struct{ Title, Detail, Code string }
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(body, &problem)
	}
	text := strings.TrimSpace(problem.Title + ": " + problem.Detail)
	if problem.Title != "" && strings.Contains(problem.Detail, problem.Title) || strings.HasPrefix(problem.Detail, "refused: ") {
		text = problem.Detail // which says it already
	}
	if err != nil || text == ":" {
		text = strings.TrimSpace(string(body))
	}
	return fmt.Errorf("the server answers %s: %s", resp.Status, text)
}
