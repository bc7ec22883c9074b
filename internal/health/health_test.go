package health_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/health"
)

// ask asks a server of which the check "log" fails, unless mended.
func ask(t *testing.T, method, path string, trusted, mended bool) (int, string) {
	t.Helper()
	h := health.New(func(*http.Request) bool { return trusted },
		health.Check{Name: "schema", Run: func() error { return nil }},
		health.Check{Name: "log", Run: func() error {
			if mended {
				return nil
			}
			return errors.New("the disk\nfailed")
		}})
	mux := http.NewServeMux()
	mux.Handle("/livez", h.Live())
	mux.Handle("/readyz", h.Ready())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	if err := h.Err(); (err == nil) != mended || err != nil && err.Error() != "not ready: log: the disk\nfailed" {
		t.Errorf("%v", err)
	}
	return w.Code, w.Body.String()
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		method, path    string
		trusted, mended bool
		code            int
		text            string
	}{
		{"GET", "/livez", false, false, 200, "ok"},
		{"GET", "/livez?verbose", false, false, 200, "[+]ping ok\nlivez check passed\n"},
		{"GET", "/readyz", false, true, 200, "ok"},
		{"HEAD", "/readyz", false, true, 200, "ok"},
		{"GET", "/readyz?verbose", false, true, 200, "[+]ping ok\n[+]schema ok\n[+]log ok\nreadyz check passed\n"},
		{"GET", "/readyz", false, false, 503, "[+]ping ok\n[+]schema ok\n[-]log failed: reason withheld\nreadyz check failed\n"},
		{"GET", "/readyz", true, false, 503, "[+]ping ok\n[+]schema ok\n[-]log failed: the disk; failed\nreadyz check failed\n"},
		{"GET", "/readyz?exclude=log", false, false, 200, "ok"},
		{"GET", "/readyz?verbose&exclude=log", false, false, 200, "[+]ping ok\n[+]schema ok\n[+]log excluded: ok\nreadyz check passed\n"},
		{"GET", "/readyz?verbose&exclude=leg", false, true, 200, "[+]ping ok\n[+]schema ok\n[+]log ok\n" +
			"warn: some checks can't be excluded: there are none named [\"leg\"]\nreadyz check passed\n"},
		{"POST", "/readyz", true, true, 405, "only GET and HEAD\n"},
	} {
		code, text := ask(t, c.method, c.path, c.trusted, c.mended)
		if code != c.code || text != c.text {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, code, text, c.code, c.text)
		}
	}
}

func TestAnswersAreNotKeptByProxies(t *testing.T) {
	h := health.New(func(*http.Request) bool { return false })
	w := httptest.NewRecorder()
	h.Ready().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if got := w.Header().Get("Cache-Control"); got != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%v", w.Header())
	}
}

// How far behind a server may be is for whoever asks to say; without a word its own bound counts.
func TestALagIsBoundedByWhoAsks(t *testing.T) {
	behind := func(most time.Duration) error {
		if lag := 3 * time.Second; lag > most {
			return errors.New("it is 3s behind")
		}
		return nil
	}
	h := health.New(func(*http.Request) bool { return true },
		health.Check{Name: "log", Run: func() error { return nil }},
		health.Check{Name: "regions", Run: func() error { return behind(time.Minute) }, Within: behind})
	for path, want := range map[string]int{
		"/readyz": 200, "/readyz?max_lag=5s": 200, "/readyz?max_lag=2s": 503, "/readyz?max_lag=2s&exclude=regions": 200,
		"/readyz?max_lag=soon": 400, "/readyz?max_lag=0s": 400, "/readyz?max_lag=-1s": 400, "/readyz?max_lag=": 200,
	} {
		w := httptest.NewRecorder()
		h.Ready().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s is %d, want %d: %s", path, w.Code, want, w.Body)
		}
		if text := w.Body.String(); want == 503 && !strings.Contains(text, "[-]regions failed: it is 3s behind\n") {
			t.Errorf("%s: %s", path, text)
		}
	}
	w := httptest.NewRecorder()
	h.Live().ServeHTTP(w, httptest.NewRequest("GET", "/livez?max_lag=soon", nil))
	if w.Code != 200 {
		t.Errorf("whether it lives doesn't depend on others: %d", w.Code)
	}
}
