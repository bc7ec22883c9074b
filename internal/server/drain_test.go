package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// A stream that would go on for ever ends when the server stops: what was acknowledged stands, and the reason is one for
// which callers try again.
func TestStreamsOfWritesEndWhenTheServerStops(t *testing.T) {
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}} {
		for _, flight := range []int32{0, 8} {
			t.Run(name, func(t *testing.T) {
				w := open(t, nil)
				stream, err := tidalpbconnect.NewTidalClient(w.client(true), w.http.URL, opts...).StreamWrites(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&tidalpb.StreamWritesRequest{InFlight: flight, Write: &tidalpb.WriteRequest{
					Records: []*tidalpb.Record{signal("view", "a", "u")},
				}}); err != nil {
					t.Fatal(err)
				}
				if got, err := stream.Receive(); err != nil || got.GetReceipt().GetPosition() == "" {
					t.Fatalf("%v %v", got, err)
				}
				w.server.Drain()
				if _, err := stream.Receive(); connect.CodeOf(err) != connect.CodeUnavailable {
					t.Errorf("%v", err)
				}
				if got := w.total("a", "view"); got != 1 {
					t.Errorf("%d views", got)
				}
				// Other requests go on.
				if got := w.send("POST", "/v1/signals", `{"type":"view","item":"a","user":"u"}`, "Content-Type", "application/json"); got.status != 200 {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
		}
	}
}

func TestLinesEndWhenTheServerStops(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		w := open(t, nil)
		in, out := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.http.URL+"/v1/signals?batch=1", in)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", typeLines)
		go func() { _, _ = io.WriteString(out, views(1)) }()
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		var d linesDoc
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &d) != nil || d.Kept != 1 {
			t.Fatalf("%q %v", lines.Text(), lines.Err())
		}
		w.server.Drain()
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &d) != nil || d.Problem == nil || d.Problem.Code != "closed" || d.Kept != 1 {
			t.Errorf("HTTP/2 %v: %q %v", h2, lines.Text(), lines.Err())
		}
		if lines.Scan() || lines.Err() != nil && !errors.Is(lines.Err(), io.ErrUnexpectedEOF) {
			t.Errorf("behind the end: %q %v", lines.Text(), lines.Err())
		}
		_ = out.Close()
		_ = resp.Body.Close()
	}
}
