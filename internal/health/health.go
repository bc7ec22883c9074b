// Package health answers whether a server lives and whether it is ready, in the way that Kubernetes asks its own parts.
//
//	h := health.New(trusted, health.Check{Name: "log", Run: func() error { return db.Health().Failed }})
//	mux.Handle("/livez", h.Live())
//	mux.Handle("/readyz", h.Ready())
//
// /readyz?verbose shows a line for each check, [+]log ok or [-]log failed; exclude=log leaves one out, and max_lag=2s bounds
// how far behind others the server may be, for those checks that can tell. Why a check failed
// is told to those who may know, which whoever makes it decides; others read "reason withheld". Nothing here remembers,
// polls or waits: checks run when somebody asks.
package health

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Check is one condition of being ready. Run returns why it isn't met; it has to be quick, and may run several times
// at once.
type Check struct {
	Name string
	Run  func() error
	// Within is run instead where the caller says how far behind others the server may be, above 0; nil is Run.
	Within func(lag time.Duration) error
}

// run runs a check, under a bound if there is one.
func (c *Check) run(lag time.Duration) error {
	if lag > 0 && c.Within != nil {
		return c.Within(lag)
	}
	return c.Run()
}

// Health has the checks of a server.
type Health struct {
	trusted func(*http.Request) bool
	checks  []Check
}

// New makes the health of a server from its checks. Who is trusted gets reasons.
func New(trusted func(*http.Request) bool, checks ...Check) *Health {
	return &Health{trusted: trusted, checks: checks}
}

// Err returns the reasons why the server isn't ready, nil if it is.
func (h *Health) Err() error {
	var failed []string
	for _, c := range h.checks {
		if err := c.Run(); err != nil {
			failed = append(failed, c.Name+": "+err.Error())
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("not ready: %s", strings.Join(failed, "; "))
}

// Ready answers 200 if all checks pass, else 503.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.answer(w, r, "readyz", h.checks) })
}

// Live answers 200: the process runs and answers. What is wrong with its disk a restart wouldn't mend is not asked.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.answer(w, r, "livez", nil) })
}

// lagOf reads how far behind others the server may be, 0 for no bound.
func lagOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	lag, err := time.ParseDuration(text)
	if err != nil || lag <= 0 {
		return 0, fmt.Errorf("max_lag is %q; it is a length of time, such as 2s or 500ms", text)
	}
	return lag, nil
}

func (h *Health) answer(w http.ResponseWriter, r *http.Request, name string, checks []Check) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	asked := r.URL.Query()
	var lag time.Duration
	if len(checks) > 0 {
		var err error
		if lag, err = lagOf(asked.Get("max_lag")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	exclude, trusted := asked["exclude"], h.trusted(r)
	var lines strings.Builder
	failed := false
	lines.WriteString("[+]ping ok\n")
	for _, c := range checks {
		if at := slices.Index(exclude, c.Name); at >= 0 {
			exclude = slices.DeleteFunc(exclude, func(e string) bool { return e == c.Name })
			fmt.Fprintf(&lines, "[+]%s excluded: ok\n", c.Name)
			continue
		}
		switch err := c.run(lag); {
		case err == nil:
			fmt.Fprintf(&lines, "[+]%s ok\n", c.Name)
		case trusted:
			failed = true
			fmt.Fprintf(&lines, "[-]%s failed: %s\n", c.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
		default:
			failed = true
			fmt.Fprintf(&lines, "[-]%s failed: reason withheld\n", c.Name)
		}
	}
	if len(exclude) > 0 {
		fmt.Fprintf(&lines, "warn: some checks can't be excluded: there are none named %q\n", exclude)
	}
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	text := "ok"
	if _, verbose := asked["verbose"]; verbose || failed {
		text = lines.String() + name + " check passed\n"
	}
	if failed {
		text = lines.String() + name + " check failed\n"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, text) // who hung up doesn't need it
}
