package client_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a real database behind a real socket.
type served struct {
	db   *tidal.DB
	addr string
}

// serve opens a database and serves it until the test ends.
func serve(t testing.TB, s *schema.Schema) *served {
	t.Helper()
	db, err := tidal.Open(t.TempDir(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: server.New(server.Options{DB: db}), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	t.Cleanup(func() {
		_ = h.Close()
		<-ended
		if n := db.Stats().HiddenServed; n != 0 {
			t.Errorf("%d hidden items were in lists", n)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &served{db: db, addr: l.Addr().String()}
}

// connect returns a client, which is closed when the test ends.
func connect(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// total is how often an item has signals of a type.
func (s *served) total(t testing.TB, item, signal string) int64 {
	t.Helper()
	cell, err := s.db.Cell(context.Background(), item, signal, time.Time{})
	if err != nil && !isNotFound(err) {
		t.Fatal(err)
	}
	return cell.Total
}
