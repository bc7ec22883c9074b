package daemon

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidaldb/tidal/internal/health"
	"github.com/tidaldb/tidal/internal/server"
)

// handler puts what this package answers beside the API.
func (d *daemon) handler() *http.Handler {
	c := &d.config.Config
	o := server.Options{
		DB: d.db, Authorize: d.authorize, Recorder: &recorder{d}, Keys: keys{d}, Now: d.o.Now,
		Origins: c.CORSOrigins,
		Ready:   func() bool { return d.state.is(running) },
		Limits: server.Limits{
			Body: c.BodyLimit, Request: c.RequestTimeout, Idle: c.StreamTimeout, Lists: c.MaxLists, Writes: c.MaxWrites,
		},
	}
	if d.replica != nil {
		o.Group, o.Forward, o.Regions = group{d.replica}, d.replica.forward, &d.replica.regions
	}
	d.api = d.o.API(o)
	h := health.New(d.trusted, d.checks()...)
	mux := http.NewServeMux()
	mux.Handle("/", d.counting(d.api))
	d.mountHealth(mux, h)
	if c.Metrics {
		h := promhttp.HandlerFor(d.metrics.Registry(), promhttp.HandlerOpts{
			ErrorLog: quiet(d.o.Log), MaxRequestsInFlight: 4,
		})
		if !c.MetricsOpen {
			h = d.only(server.Read, h)
		}
		mux.Handle("/metrics", h)
	}
	if c.Pprof {
		for path, h := range map[string]http.HandlerFunc{
			"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
		} {
			mux.Handle("/debug/pprof/"+path, d.only(server.Admin, h))
		}
	}
	var out http.Handler = mux
	return &out
}

// mountHealth puts what everybody may ask.
func (d *daemon) mountHealth(mux *http.ServeMux, h *health.Health) {
	mux.Handle("/livez", h.Live())
	mux.Handle("/readyz", h.Ready())
	mux.Handle("/healthz", h.Ready())
	mux.HandleFunc("/version", d.version)
}

// counting counts requests under way.
func (d *daemon) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.underWay.Add(1)
		d.metrics.UnderWay(1)
		defer func() {
			d.underWay.Add(-1)
			d.metrics.UnderWay(-1)
		}()
		next.ServeHTTP(w, r)
	})
}

// version says which program this is; strangers learn the version alone.
func (d *daemon) version(w http.ResponseWriter, r *http.Request) {
	v := d.o.Version
	if !d.trusted(r) {
		v = Version{Version: v.Version}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who hung up doesn't need it
}
