package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/metrics"
	"github.com/tidaldb/tidal/internal/notify"
	"github.com/tidaldb/tidal/internal/server"
)

// Options say what to run, and what of the world it may touch.
type Options struct {
	// Config are the settings at the start; Reload makes them anew when something is received from Hangup. A Reload that
	// fails changes nothing.
	Config *config.Resolved
	Reload func() (*config.Resolved, error)
	Hangup <-chan os.Signal
	// API makes the handler of everything that this package doesn't answer itself.
	API func(server.Options) http.Handler
	// Log is where events go; Level is that of Log, which a reload may set.
	Log   *slog.Logger
	Level *slog.LevelVar
	// Ready is called once, when requests are answered.
	Ready func(Started) error
	// Version names the program on /version and in tidal_build_info.
	Version Version
	// Notify is the service manager's socket, nil if there is none; Watchdog how often it wants to hear that all is well, 0
	// for never.
	Notify   *notify.Notifier
	Watchdog time.Duration
	// Now is the clock of the database and of keys; nil is time.Now. Random is what keys are drawn from; nil is the operating system.
	Now    func() time.Time
	Random io.Reader
	// After is how the delay before draining passes; nil is time.After.
	After func(time.Duration) <-chan time.Time
}

// Version names a program.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go,omitempty"`
}

// Started says what came to run.
type Started struct {
	// Address is host and port, such as 127.0.0.1:7878, and URL what clients are told.
	Address string `json:"address"`
	URL     string `json:"url"`
	// Keys is how many API keys can be used now. Open reports that there are none, and none are needed.
	Keys int  `json:"keys"`
	Open bool `json:"open"`
	// Replica is the number of a replica, and ClusterAddress where others reach it; a database alone has neither.
	Replica        uint64 `json:"replica,omitempty"`
	ClusterAddress string `json:"cluster_address,omitempty"`
}

// keysInterval is how often the file of the keys is looked at for changes.
const keysInterval = 2 * time.Second

// daemon is what runs.
type daemon struct {
	o       Options
	config  *config.Resolved
	dynamic dynamic
	dir     string
	db      *tidal.DB
	late    atomic.Pointer[tidal.DB] // db, once it's open
	replica *replica                 // nil for a database alone
	ring    *access.Ring
	gate    *access.Gate
	keyFile string
	guard   *http.CrossOriginProtection // against pages of origins that aren't those of the settings
	metrics *metrics.Metrics
	api     http.Handler
	tls     *certificate // nil without TLS
	state   state
	// underWay counts requests of the API.
	underWay atomic.Int64

	address  *net.TCPAddr
	local    bool // only this machine can reach the address
	listener net.Listener
	http     *http.Server
	front    atomic.Pointer[http.Handler] // what answers now
	served   chan error                   // what Serve returned
	cancel   context.CancelFunc
	failed   error // why the replica stopped by itself, which needn't be said again when it's closed
}

// Run runs the server until ctx ends, or until it fails. It returns nil when it stopped in order.
func Run(ctx context.Context, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	d := &daemon{o: o, config: o.Config, dir: o.Config.Config.DataDir}
	d.dynamic.set(&o.Config.Config)
	if err := d.open(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	return errors.Join(d.run(ctx), d.close())
}

// open opens everything, the listener last: nobody is let in before the database is there. It ends with ctx while it waits for
// others.
func (d *daemon) open(ctx context.Context) error {
	c := &d.config.Config
	if err := d.openKeys(); err != nil {
		return err
	}
	if err := d.admit(c); err != nil {
		return err
	}
	if err := d.openTLS(); err != nil {
		return err
	}
	o := metrics.Options{
		DB: lateDatabase{&d.late}, DiskFree: d.diskFree,
		Version: d.o.Version.Version, Commit: d.o.Version.Commit, Go: d.o.Version.Go,
	}
	if c.ClusterListen != "" {
		o.Group, o.Expires, o.Regions = d.figures, d.expires, d.regionFigures
		d.metrics = metrics.New(o)
		if err := d.openGroup(ctx, c); err != nil {
			return err
		}
		d.front.Store(d.handler())
		return nil
	}
	d.metrics = metrics.New(o)
	if err := d.openAlone(c); err != nil {
		return err
	}
	d.front.Store(d.handler())
	d.serve()
	return nil
}

// run says that the server is ready, and waits for what happens.
func (d *daemon) run(ctx context.Context) error {
	if err := d.started(); err != nil {
		return err
	}
	keys := time.NewTicker(keysInterval)
	defer keys.Stop()
	stopped := d.stopped()
	var alive <-chan time.Time
	if d.o.Watchdog > 0 {
		t := time.NewTicker(d.o.Watchdog)
		defer t.Stop()
		alive = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return d.drain()
		case err := <-d.served:
			d.served <- err
			return nil // close says so
		case <-stopped:
			// Others do its work better: what it has grows old, and clients that asked it to write would only learn that
			// it can't. Started again it catches up, as soon as its disk lets it.
			d.failed = d.replica.member.Err()
			return d.failed
		case <-d.o.Hangup:
			d.reload()
		case <-keys.C:
			d.refreshKeys()
		case <-alive:
			d.notify(notify.Alive)
		}
	}
}

// started tells everybody who waits for it.
func (d *daemon) started() error {
	d.state.set(running)
	d.metrics.Ready(true)
	s := Started{
		Address: d.listener.Addr().String(), URL: d.url(), Keys: d.ring.Usable(d.o.Now()), Open: d.gate.Unlocked(),
	}
	if d.replica != nil {
		s.Replica, s.ClusterAddress = d.replica.self, d.replica.address
	}
	d.o.Log.Info("ready", "address", s.Address, "tls", d.tls != nil, "keys", s.Keys, "open", s.Open)
	if d.o.Ready != nil {
		if err := d.o.Ready(s); err != nil {
			return err
		}
	}
	d.notify(notify.Ready, notify.Status("serving "+s.URL))
	return nil
}

// url is where the server listens.
func (d *daemon) url() string {
	if d.tls != nil {
		return "https://" + d.listener.Addr().String()
	}
	return "http://" + d.listener.Addr().String()
}

// notify speaks to the service manager. That it can't be reached is no reason to stop serving.
func (d *daemon) notify(lines ...string) {
	if err := d.o.Notify.Send(lines...); err != nil {
		d.o.Log.Warn("the service manager can't be reached", "err", err)
	}
}

// close releases what was opened, the database last.
func (d *daemon) close() error {
	var errs []error
	if d.http != nil {
		d.cancel()
		errs = append(errs, d.http.Close())
		if err := <-d.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("serve: %w", err))
		}
	} else if d.listener != nil {
		errs = append(errs, d.listener.Close())
	}
	var err error
	switch {
	case d.replica != nil:
		err = d.replica.close()
	case d.db != nil:
		err = d.db.Close()
	}
	if err != nil && (d.failed == nil || !errors.Is(err, d.failed)) {
		errs = append(errs, fmt.Errorf("close the database: %w", err))
	}
	return errors.Join(errs...)
}
