package daemon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/daemon"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/notify"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/internal/vfs"
)

// key makes a key.
func key(t *testing.T, role access.Role) (access.Key, string) {
	t.Helper()
	k, text, err := access.Make(rand.Reader, "test "+role.String(), role, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

func TestAServerAnswersAndStops(t *testing.T) {
	r := start(t, options{flags: map[string]string{"pprof": "true"}})
	for _, c := range []struct {
		path string
		code int
		says string
	}{
		{"/livez", 200, "ok"},
		{"/readyz", 200, "ok"},
		{"/healthz", 200, "ok"},
		{"/readyz?verbose", 200, "[+]ping ok\n[+]running ok\n[+]log ok\n[+]disk ok\n[+]schema ok\n[+]checkpoint ok\n[+]parked ok\n[+]overload ok\nreadyz check passed\n"},
		{"/version", 200, `"commit":"abc"`},
		{"/metrics", 200, "tidal_ready 1"},
		{"/metrics", 200, `tidal_build_info{commit="abc",go="go1",version="v9"} 1`},
		{"/debug/pprof/cmdline", 200, ""},
		{"/anything", 200, "admin HTTP/1.1"},
	} {
		if code, text := r.get(c.path, ""); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q", c.path, code, text)
		}
	}
	r.stop()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
	if _, _, err := ask(http.DefaultClient, r.url+"/livez", ""); err == nil {
		t.Error("it still answers")
	}
	// The directory is free again.
	db, err := tidal.Open(r.dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestADiskWithoutRoomMakesItUnready(t *testing.T) {
	r := start(t, options{flags: map[string]string{"ready-free": "16TiB"}})
	if code, text := r.get("/readyz", ""); code != 503 || !strings.Contains(text, "[-]disk failed: it has room for ") {
		t.Errorf("%d %q", code, text)
	}
	if code, text := r.get("/readyz?exclude=disk", ""); code != 200 {
		t.Errorf("%d %q", code, text)
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	r := start(t, options{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	if code, text, err := ask(&http.Client{Transport: transport}, r.url+"/x", ""); err != nil || code != 200 || text != "admin HTTP/2.0" {
		t.Errorf("%d %q %v", code, text, err)
	}
}

// A request that is under way when the server is told to stop is answered; meanwhile it isn't ready, and then it accepts
// nobody.
func TestRequestsUnderWayAreAnswered(t *testing.T) {
	delay := make(chan time.Time)
	r := start(t, options{flags: map[string]string{"drain-delay": "1m"}, change: func(o *daemon.Options) {
		o.After = func(time.Duration) <-chan time.Time { return delay }
	}})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answers := make(chan string, 1)
	go func() {
		_, text, err := ask(client, r.url+"/wait", "")
		if err != nil {
			text = err.Error()
		}
		answers <- text
	}()
	<-r.api.entered
	r.stop()
	r.await("stopping")
	if code, text := r.get("/readyz", ""); code != 503 || !strings.Contains(text, "[-]running failed: the server is stopping") {
		t.Errorf("%d %q", code, text)
	}
	if code, _ := r.get("/livez", ""); code != 200 {
		t.Errorf("livez: %d", code)
	}
	if r.api.o.Ready() {
		t.Error("the API thinks that it's ready")
	}
	if _, text := r.get("/metrics", ""); !strings.Contains(text, "tidal_ready 0") || !strings.Contains(text, "tidal_http_requests_under_way 1") {
		t.Errorf("%s", text)
	}
	close(delay)
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break // nobody accepts any more
		}
		_ = conn.Close()
	}
	select {
	case err := <-r.done:
		t.Fatalf("it has ended with a request under way: %v", err)
	default:
	}
	close(r.api.leave)
	if got := <-answers; got != "admin HTTP/1.1" {
		t.Errorf("%q", got)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

func TestWhatTakesLongerThanTheDrainIsCutOff(t *testing.T) {
	r := start(t, options{flags: map[string]string{"drain-timeout": "50ms"}})
	answers := make(chan error, 1)
	go func() {
		_, _, err := ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, r.url+"/wait", "")
		answers <- err
	}()
	<-r.api.entered
	r.stop()
	if err := r.ended(); err == nil || !strings.Contains(err.Error(), "1 requests were cut off after 50ms") {
		t.Errorf("%v", err)
	}
	if err := <-answers; err == nil {
		t.Error("the request was answered")
	}
}

func TestWhoMayListenWhere(t *testing.T) {
	good, _ := key(t, access.Read)
	gone, _ := key(t, access.Admin)
	gone.Expires = time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name  string
		flags map[string]string
		keys  []access.Key
		ok    bool
		open  bool
	}{
		{"this machine", map[string]string{"listen": "127.0.0.1:0"}, nil, true, true},
		{"this machine, IPv6", map[string]string{"listen": "[::1]:0"}, nil, true, true},
		{"this machine by name", map[string]string{"listen": "localhost:0"}, nil, true, true},
		{"this machine, keys required", map[string]string{"listen": "127.0.0.1:0", "require-keys": "true"}, nil, true, false},
		{"this machine with a key", map[string]string{"listen": "127.0.0.1:0"}, []access.Key{good}, true, false},
		{"everywhere", map[string]string{"listen": "0.0.0.0:0"}, nil, false, false},
		{"everywhere, no host", map[string]string{"listen": ":0"}, nil, false, false},
		{"everywhere with a key", map[string]string{"listen": ":0"}, []access.Key{good}, true, false},
		{"everywhere with a key that has expired", map[string]string{"listen": ":0"}, []access.Key{gone}, false, false},
		{"everywhere, keys required", map[string]string{"listen": ":0", "require-keys": "true"}, nil, true, false},
		{"everywhere, and told so", map[string]string{"listen": ":0", "insecure-listen": "true"}, nil, true, true},
		{"everywhere, told so, with a key", map[string]string{"listen": ":0", "insecure-listen": "true"}, []access.Key{good}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var got daemon.Started
			err := daemon.Run(ctx, daemon.Options{
				Config: resolve(t, prepare(t, c.keys), c.flags), Log: slog.New(slog.DiscardHandler),
				API:   func(server.Options) http.Handler { return http.NotFoundHandler() },
				Ready: func(s daemon.Started) error { got = s; cancel(); return nil },
			})
			if c.ok && strings.Contains(c.name, "IPv6") && err != nil {
				t.Skipf("no IPv6 here: %v", err)
			}
			if (err == nil) != c.ok || err != nil && !errors.Is(err, fault.ErrInput) || got.Open != c.open {
				t.Errorf("%v, %+v", err, got)
			}
		})
	}
}

func TestRolesComeFromKeys(t *testing.T) {
	read, readText := key(t, access.Read)
	admin, adminText := key(t, access.Admin)
	r := start(t, options{keys: []access.Key{read, admin}, flags: map[string]string{"pprof": "true"}})
	for _, c := range []struct {
		path, key string
		code      int
		says      string
	}{
		{"/x", readText, 200, "read"},
		{"/x", adminText, 200, "admin"},
		{"/x", "", 401, "no API key"},
		{"/x", readText[:69], 401, "unknown, revoked or expired"},
		{"/debug/pprof/cmdline", readText, 403, ""},
		{"/debug/pprof/cmdline", adminText, 200, ""},
		{"/debug/pprof/cmdline", "", 401, ""},
		{"/version", "", 200, "{\"version\":\"v9\"}\n"},
		{"/version", readText, 200, `"commit":"abc"`},
		{"/livez", "", 200, "ok"},
		{"/metrics", "", 401, "read"},
		{"/metrics", readText, 200, "tidal_"},
	} {
		if code, text := r.get(c.path, c.key); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.path, code, text, c.code, c.says)
		}
	}
	r.await("admin")
	if log := r.log.String(); !strings.Contains(log, "key="+admin.ID) || strings.Contains(log, adminText) || strings.Contains(log, readText) {
		t.Errorf("the log has to name the administrator's key, and no secret: %s", log)
	}
}

func TestMetricsCanBeForAll(t *testing.T) {
	k, _ := key(t, access.Read)
	r := start(t, options{keys: []access.Key{k}, flags: map[string]string{"metrics-open": "true"}})
	if code, text := r.get("/metrics", ""); code != 200 || !strings.Contains(text, "tidal_") {
		t.Errorf("%d %q", code, text)
	}
	r = start(t, options{flags: map[string]string{"metrics": "false"}})
	if code, text := r.get("/metrics", ""); code != 200 || strings.Contains(text, "tidal_") {
		t.Errorf("it's the API's then: %d %q", code, text)
	}
}

// A key that another process revokes is good for nothing once the file was read again.
func TestKeysFollowTheirFile(t *testing.T) {
	k, text := key(t, access.Write)
	r := start(t, options{keys: []access.Key{k}})
	if code, _ := r.get("/x", text); code != 200 {
		t.Fatalf("%d", code)
	}
	if _, err := access.Revoke(vfs.Default, filepath.Join(r.dir, access.FileName), k.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.hangup <- syscall.SIGHUP
	r.await("reloaded")
	if code, answer := r.get("/x", text); code != 401 {
		t.Errorf("%d %q", code, answer)
	}
	// A new one is found without being told to look; no key again doesn't open the door.
	next, nextText := key(t, access.Read)
	if err := access.Add(vfs.Default, filepath.Join(r.dir, access.FileName), next, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.await("the API keys changed")
	if code, _ := r.get("/x", nextText); code != 200 {
		t.Errorf("%d", code)
	}
	if err := os.Remove(filepath.Join(r.dir, access.FileName)); err != nil {
		t.Fatal(err)
	}
	r.hangup <- syscall.SIGHUP
	r.await("the API keys stay as they were")
	if code, _ := r.get("/x", ""); code != 401 {
		t.Errorf("without a key: %d", code)
	}
}

func TestTheAPIChangesKeys(t *testing.T) {
	r := start(t, options{})
	keys := r.api.o.Keys
	made, text, err := keys.Create(t.Context(), "shop", server.Write, time.Time{})
	if err != nil || made.Role != server.Write {
		t.Fatalf("%+v %v", made, err)
	}
	if code, answer := r.get("/x", text); code != 200 || !strings.HasPrefix(answer, "write") {
		t.Errorf("%d %q", code, answer)
	}
	if code, _ := r.get("/x", ""); code != 401 {
		t.Errorf("once there is a key, everybody needs one: %d", code)
	}
	if _, _, err := keys.Create(t.Context(), "", server.Write, time.Time{}); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("a key without a name: %v", err)
	}
	if err := keys.Revoke(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if code, _ := r.get("/x", text); code != 401 {
		t.Errorf("a revoked key: %d", code)
	}
	if err := keys.Revoke(t.Context(), "nobody"); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("%v", err)
	}
	all, err := keys.List(t.Context())
	if err != nil || len(all) != 1 || !all[0].Revoked || all[0].Name != "shop" {
		t.Errorf("%+v %v", all, err)
	}
}

// Where no keys are needed, pages of other sites must not speak for the person at the browser.
func TestPagesOfOtherSitesAreStrangers(t *testing.T) {
	r := start(t, options{})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	for _, c := range []struct {
		method, host, origin, site string
		code                       int
	}{
		{"POST", "127.0.0.1:" + port, "", "", 200},
		{"POST", "localhost:" + port, "", "", 200},
		{"POST", "[::1]:" + port, "", "", 200},
		{"POST", "api.localhost", "", "", 200},
		{"POST", "localhost:" + port, "http://localhost:" + port, "same-origin", 200},
		{"GET", "rebound.example:" + port, "", "", 401},
		{"POST", "rebound.example", "http://rebound.example", "same-origin", 401},
		{"POST", "localhost:" + port, "http://evil.example", "cross-site", 401},
		{"POST", "localhost:" + port, "http://evil.example", "", 401},
	} {
		req, err := http.NewRequest(c.method, r.url+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			req.Header.Set("Sec-Fetch-Site", c.site)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.code {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
}

// Where no key is needed the pages of an origin that the settings name may write, and no others.
func TestPagesOfNamedOriginsMayWrite(t *testing.T) {
	r := start(t, options{flags: map[string]string{"cors-origins": "http://localhost:3000"}})
	if got := r.api.o.Origins; len(got) != 1 || got[0] != "http://localhost:3000" {
		t.Errorf("the API is told of %v", got)
	}
	for origin, want := range map[string]int{"http://localhost:3000": 200, "http://localhost:3001": 401, "https://evil.example": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Sec-Fetch-Site", "same-site")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != want {
			t.Errorf("a page of %s: %d, want %d", origin, resp.StatusCode, want)
		}
	}
}

func TestSettingsAreReloaded(t *testing.T) {
	r := start(t, options{reload: func() map[string]string {
		return map[string]string{"log-level": "debug", "max-lists": "7", "access-log": "true"}
	}})
	recorder := r.api.o.Recorder
	recorder.Finished(&server.Finished{Route: "GET /a", Status: 200, Code: "ok"})
	r.hangup <- syscall.SIGHUP
	r.await("reloaded")
	log := r.log.String()
	if !strings.Contains(log, `settings changed that need a restart" settings=max-lists`) ||
		!strings.Contains(log, `settings="log-level, access-log"`) || strings.Contains(log, "GET /a") {
		t.Errorf("%s", log)
	}
	recorder.Finished(&server.Finished{Route: "GET /b", Status: 200, Code: "ok", ID: "r1", Trace: "t1"})
	r.await("route=\"GET /b\" status=200")
	if log := r.log.String(); !strings.Contains(log, "request_id=r1") || !strings.Contains(log, "trace_id=t1") {
		t.Errorf("%s", log)
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	n, err := notify.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, options{change: func(o *daemon.Options) { o.Notify, o.Watchdog = n, time.Millisecond }})
	hear := func() string {
		b := make([]byte, 200)
		got, err := manager.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:got])
	}
	if got := hear(); got != "READY=1\nSTATUS=serving "+r.url {
		t.Errorf("%q", got)
	}
	if got := hear(); got != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
	r.stop()
	for {
		got := hear()
		if got == "STOPPING=1\nSTATUS=stopping" {
			break
		}
		if got != "WATCHDOG=1" {
			t.Errorf("%q", got)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, options{flags: map[string]string{"max-connections": "1"}})
	first, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(first, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-r.api.entered
	// The second one waits until the first has gone.
	answers := make(chan int, 1)
	go func() {
		code, _, _ := ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, r.url+"/livez", "")
		answers <- code
	}()
	select {
	case code := <-answers:
		t.Fatalf("a second connection is answered: %d", code)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-answers; code != 200 {
		t.Errorf("%d", code)
	}
}

// Who sends half a header and waits is hung up on.
func TestSlowHeadersAreCutOff(t *testing.T) {
	r := start(t, options{flags: map[string]string{"header-timeout": "20ms"}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// It may have been hung up on before this, or with this unread: then it's told so by a reset.
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: loc"); err != nil && !hungUp(err) {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if strings.Contains(string(answer), " 200 ") || err != nil && !hungUp(err) {
		t.Errorf("%q %v", answer, err)
	}
}

func hungUp(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestLongHeadersAreRefused(t *testing.T) {
	r := start(t, options{})
	req, _ := http.NewRequest("GET", r.url+"/x", nil)
	req.Header.Set("X-Long", strings.Repeat("x", 80<<10))
	resp, err := http.DefaultClient.Do(req)
	for tries := 0; err != nil && tries < 20; tries++ { // the server hangs up half a second later, whether that was read or not
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("80 KiB of headers: %d", resp.StatusCode)
	}
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for says, flags := range map[string]map[string]string{
		"address already in use": {"listen": busy.Addr().String()},
		"is no address":          {"listen": "here"},
		"read the schema":        {"schema": "nowhere.yaml"},
		"data-dir":               {"data-dir": ""},
		"read the certificate":   {"tls-cert": "nowhere.pem", "tls-key": "nowhere.pem"},
		"not found":              {"schema": ""},
	} {
		err := daemon.Run(t.Context(), daemon.Options{
			Config: resolve(t, prepare(t, nil), flags), Log: slog.New(slog.DiscardHandler),
			API:   func(server.Options) http.Handler { return http.NotFoundHandler() },
			Ready: func(daemon.Started) error { t.Errorf("%s: it's ready", says); return errors.New("stop") },
		})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
