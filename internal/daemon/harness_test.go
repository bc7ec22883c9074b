package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/daemon"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/schema"
)

// api stands in for the API: it waits when it's told to, and says who asks.
type api struct {
	o       server.Options
	entered chan struct{} // receives when a request to /wait has come
	leave   chan struct{} // closed, or sent to, to let one go
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := a.o.Authorize(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/wait" {
		a.entered <- struct{}{}
		select {
		case <-a.leave:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // returning would be a good answer, if that's faster than the end of the connection
		}
	}
	fmt.Fprintf(w, "%s %s", caller.Role, r.Proto)
}

// running is a server under test.
type running struct {
	t      *testing.T
	dir    string
	api    *api
	url    string
	hangup chan os.Signal
	stop   context.CancelFunc
	done   chan error
	log    *lockedBuffer
}

// lockedBuffer is what the server logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// said receives after each line.
	said chan struct{}
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		select {
		case l.said <- struct{}{}:
		default:
		}
	}()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// patience is how long is waited for what comes at once, unless the machine stands still.
const patience = time.Minute

// await waits until the log says something.
func (r *running) await(text string) {
	r.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !strings.Contains(r.log.String(), text) {
		select {
		case <-r.log.said:
		case <-limit.C:
			r.t.Fatalf("the log never says %q:\n%s", text, r.log)
		}
	}
}

// options are what a test changes of a server.
type options struct {
	flags  map[string]string
	keys   []access.Key
	reload func() map[string]string // the flags after a hangup
	change func(*daemon.Options)
}

func resolve(t *testing.T, dir string, flags map[string]string) *config.Resolved {
	t.Helper()
	all := map[string]string{"data-dir": dir, "listen": "127.0.0.1:0", "schema": filepath.Join(dir, "..", "schema.yaml")}
	for name, text := range flags {
		all[name] = text
	}
	r, err := config.Resolve(config.Sources{Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// prepare makes a folder for a server.
func prepare(t *testing.T, keys []access.Key) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "data")
	if err := os.WriteFile(filepath.Join(top, "schema.yaml"), schema.Events().YAML(), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := access.Add(vfs.Default, filepath.Join(dir, access.FileName), keys[i], time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// start runs a server, and ends it with the test.
func start(t *testing.T, o options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{
		t: t, dir: prepare(t, o.keys), api: &api{entered: make(chan struct{}, 1), leave: make(chan struct{})},
		hangup: make(chan os.Signal, 1), stop: cancel, done: make(chan error, 1), log: &lockedBuffer{said: make(chan struct{}, 1)},
	}
	level := &slog.LevelVar{}
	started := make(chan daemon.Started, 1)
	d := daemon.Options{
		Config: resolve(t, r.dir, o.flags), Hangup: r.hangup,
		Reload: func() (*config.Resolved, error) { return resolve(t, r.dir, o.reload()), nil },
		API: func(s server.Options) http.Handler {
			r.api.o = s
			return r.api
		},
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: level})), Level: level,
		Ready:   func(s daemon.Started) error { started <- s; return nil },
		Version: daemon.Version{Version: "v9", Commit: "abc", Go: "go1"},
	}
	if o.reload == nil {
		d.Reload = nil
	}
	if o.change != nil {
		o.change(&d)
	}
	go func() { r.done <- daemon.Run(ctx, d) }()
	select {
	case s := <-started:
		r.url = s.URL
	case err := <-r.done:
		t.Fatalf("it didn't start: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case <-r.api.leave:
		default:
			close(r.api.leave)
		}
		r.ended()
	})
	return r
}

// ended waits for the end, and returns what Run did.
func (r *running) ended() error {
	err := <-r.done
	r.done <- err
	return err
}

// get asks, with a key unless it's empty.
func (r *running) get(path, key string) (int, string) {
	r.t.Helper()
	code, text, err := ask(http.DefaultClient, r.url+path, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return code, text
}

func ask(c *http.Client, url, key string) (int, string, error) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
