package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/cluster"
	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/health"
	"github.com/tidaldb/tidal/internal/metrics"
	"github.com/tidaldb/tidal/internal/server"
)

// replica is this server as a member of a group. Of a server that keeps its database alone there is none.
type replica struct {
	member  *cluster.Member
	regions regions
	certs   *certs.Source // nil without TLS
	forward *server.Forwarder
	self    uint64
	address string

	caught atomic.Bool // it had all that the group had when it started
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

const (
	// askStatus is how long a replica may take to say how its group is, and handOver how long another one to take over.
	askStatus = time.Second
	handOver  = 5 * time.Second
)

// openGroup listens, says that it isn't ready, and becomes a member: a new directory asks others for a place, for as long as
// the settings allow and ctx lasts.
func (d *daemon) openGroup(ctx context.Context, c *config.Config) error {
	r := &replica{}
	var shown *tls.Config
	if c.ClusterCert != "" {
		var err error
		r.certs, err = certs.Open(certs.Files{CA: c.ClusterCA, Certificate: c.ClusterCert, Key: c.ClusterKey}, d.o.Now)
		if err != nil {
			return fmt.Errorf("read the certificates for other replicas: %w", err)
		}
		shown = r.certs.TLS()
	}
	roots, err := rootsOf(c.ClusterCA)
	if err != nil {
		return err
	}
	s, opts, err := d.databaseOf(c)
	if err != nil {
		return err
	}
	if err := d.listen(c); err != nil {
		return err
	}
	d.front.Store(d.early())
	d.serve()
	d.o.Log.Info("starting as a replica", "address", c.ClusterListen, "join", c.ClusterJoin, "tls", shown != nil)
	r.member, err = cluster.StartContext(ctx, cluster.Config{
		Dir: c.DataDir, Schema: s, Listen: c.ClusterListen, Advertise: c.ClusterAdvertise, URL: d.urlForClients(c),
		Join: c.ClusterJoin, JoinTimeout: c.ClusterJoinTimeout, TLS: shown, ElectionTimeout: c.ClusterElectionTimeout,
		StallTimeout: c.ClusterStallTimeout, Log: d.o.Log, Leads: d.leads, Options: *opts,
		Region: c.ClusterRegion, RegionJoin: c.ClusterRegionJoin,
		// Replicas of a region that follows may all have the same settings; the role is for who makes the region.
		RegionFollower: c.ClusterRegionRole == config.RegionFollower && len(c.ClusterRegionJoin) > 0,
	})
	if err != nil {
		return err
	}
	r.forward = server.NewForwarder(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots})
	r.regions.member = r.member
	d.replica, d.db = r, r.member.DB()
	r.catchUp()
	d.late.Store(d.db)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askStatus)
	defer cancel()
	st, err := r.member.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask for the group: %w", err)
	}
	r.self = st.Number
	for i := range st.Members {
		if st.Members[i].Number == r.self {
			r.address = st.Members[i].Address
		}
	}
	return nil
}

// catchUp waits, on a goroutine that close ends, until the replica has what the group had.
func (r *replica) catchUp() {
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.ended.Go(func() {
		if r.member.Ready(ctx) == nil {
			r.caught.Store(true)
		}
	})
}

// close leaves the group to the others, and closes the database.
func (r *replica) close() error {
	r.stop()
	r.ended.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), handOver)
	defer cancel()
	err := r.member.Close(ctx)
	r.forward.Close()
	return err
}

// rootsOf are the authorities whose certificates leaders may show to who passes requests on: the operating system's, and that
// of the cluster.
func rootsOf(ca string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine that trusts nobody
	}
	if ca == "" {
		return pool, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read cluster-ca: %w", err)
	}
	pool.AppendCertsFromPEM(text)
	return pool, nil
}

// urlForClients is where applications reach this server, as far as it can know that.
func (d *daemon) urlForClients(c *config.Config) string {
	switch {
	case c.ClusterURL != "":
		return c.ClusterURL
	case d.address.IP.IsUnspecified() || d.address.IP == nil:
		d.o.Log.Warn("neither cluster-url nor listen names an address: other replicas can't pass requests on to this one, and " +
			"clients aren't told where it is")
		return ""
	}
	return d.url()
}

// early answers while there is no database yet: that the process lives, that it isn't ready, and why.
func (d *daemon) early() *http.Handler {
	mux, join, regions := http.NewServeMux(), d.config.Config.ClusterJoin, d.config.Config.ClusterRegionJoin
	mux.Handle("/", d.o.API(server.Options{Authorize: d.authorize, Now: d.o.Now}))
	h := health.New(d.trusted, health.Check{Name: "running", Run: func() error {
		if len(join) > 0 {
			return fmt.Errorf("the server is starting: it may be waiting for a place in the group of %v", join)
		}
		if len(regions) > 0 {
			return fmt.Errorf("the server is starting: it may be waiting for a place among the regions of %v, or copying what they have", regions)
		}
		return errors.New("the server is starting")
	}})
	d.mountHealth(mux, h)
	var out http.Handler = mux
	return &out
}

// leads is told when this replica begins to lead and when it ceases to.
func (d *daemon) leads(leading bool) {
	if leading {
		d.metrics.Led()
	}
	d.o.Log.Info("the leader changed", "leading", leading)
}

// check says why a replica isn't ready.
func (r *replica) check(lag int64) error {
	if !r.caught.Load() {
		return errors.New("it is catching up with its group")
	}
	if number, _ := r.member.Leader(); number == 0 {
		return errors.New("no leader is known, so nothing is written")
	}
	ctx, cancel := context.WithTimeout(context.Background(), askStatus)
	defer cancel()
	st, err := r.member.Status(ctx)
	switch {
	case err != nil:
		return err
	case st.Clock != nil:
		return st.Clock
	case st.Committed > st.Applied+uint64(lag):
		return fmt.Errorf("it is %d entries behind, more than %d", st.Committed-st.Applied, lag)
	}
	return nil
}

// handOver has another replica lead, so that writes go on while this one stops.
func (d *daemon) handOver() {
	if d.replica == nil || !d.replica.member.Leading() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOver)
	defer cancel()
	if st, err := d.replica.member.Status(ctx); err == nil && alone(&st) {
		return // there never was anybody to take over
	}
	if err := d.replica.member.Transfer(ctx, 0); err != nil {
		d.o.Log.Warn("leadership wasn't handed over", "err", err)
		return
	}
	number, url := d.replica.member.Leader()
	d.o.Log.Info("handed over", "leader", number, "url", url)
}

// alone reports whether a member is the only one that votes.
func alone(st *cluster.Status) bool {
	for i := range st.Members {
		if m := &st.Members[i]; m.Number != st.Number && m.Role != cluster.Learner {
			return false
		}
	}
	return true
}

// stopped receives once this replica does no work any more: it was taken out of its group, or its disk has failed. nil, which
// never does, without a group: a database alone is still read when it can't be written.
func (d *daemon) stopped() <-chan struct{} {
	if d.replica == nil {
		return nil
	}
	return d.replica.member.Done()
}

// group is what the API asks of a replica.
type group struct{ r *replica }

// Leader implements [server.Group].
func (g group) Leader() server.Leader {
	if g.r.member.Leading() {
		_, url := g.r.member.Leader()
		return server.Leader{Number: g.r.self, Self: true, URL: url}
	}
	number, url := g.r.member.Leader()
	if number == g.r.self {
		return server.Leader{} // it will, and doesn't yet
	}
	return server.Leader{Number: number, URL: url}
}

// Status implements [server.Group].
func (g group) Status(ctx context.Context) (server.GroupStatus, error) {
	st, err := g.r.member.Status(ctx)
	if err != nil {
		return server.GroupStatus{}, err
	}
	out := server.GroupStatus{
		Cluster: st.Cluster, Replica: st.Number, Leader: server.Leader{Number: st.Leader, Self: st.Leading}, Term: st.Term,
		Commit: st.Committed, Applied: st.Applied, Changing: st.Changing, Forked: st.Forked,
	}
	for i := range st.Members {
		m := &st.Members[i]
		if m.Number == st.Leader {
			out.Leader.URL, out.Leader.Address = m.URL, m.Address
		}
		out.Members = append(out.Members, server.Member{
			Number: m.Number, Address: m.Address, URL: m.URL, Role: string(m.Role), Known: m.Known, Lag: m.Behind,
			Active: m.Alive, Snapshot: m.Snapshot,
		})
	}
	return out, nil
}

// Latest implements [server.Group].
func (g group) Latest(ctx context.Context) error { return g.r.member.DB().Latest(ctx) }

// Remove implements [server.Group].
func (g group) Remove(ctx context.Context, number uint64, force bool) error {
	if force {
		return g.r.member.RemoveForced(ctx, number)
	}
	return g.r.member.Remove(ctx, number)
}

// Transfer implements [server.Group].
func (g group) Transfer(ctx context.Context, to uint64) error { return g.r.member.Transfer(ctx, to) }

// figures are what metrics ask of a replica.
func (d *daemon) figures() (metrics.Group, bool) {
	db := d.late.Load()
	if db == nil {
		return metrics.Group{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askStatus)
	defer cancel()
	st, err := d.replica.member.Status(ctx)
	if err != nil {
		return metrics.Group{}, false
	}
	out := metrics.Group{Term: st.Term, Leader: st.Leader, Leading: st.Leading, Commit: st.Committed, Applied: st.Applied}
	for i := range st.Members {
		m := &st.Members[i]
		out.Members = append(out.Members, metrics.Member{
			Number: m.Number, Role: string(m.Role), Self: m.Number == st.Number, Known: m.Known, Active: m.Alive,
			Snapshot: m.Snapshot, Lag: m.Behind, Skew: m.Clock, SkewKnown: m.ClockKnown, Connected: !m.Link.Connected.IsZero(),
			RoundTrip: m.Link.RoundTrip, Sent: m.Link.Sent, Received: m.Link.Received, Queued: m.Link.Queued,
			Dropped: m.Link.Dropped, Connects: m.Link.Connects, Refused: m.Link.Refused,
		})
	}
	return out, true
}

// expires says when the first certificate for other replicas ends.
func (d *daemon) expires() time.Time {
	if d.late.Load() == nil || d.replica.certs == nil {
		return time.Time{}
	}
	return d.replica.certs.NotAfter()
}

// lateDatabase is a database that isn't there yet when somebody begins to count.
type lateDatabase struct{ at *atomic.Pointer[tidal.DB] }

// Stats implements [metrics.Database].
func (l lateDatabase) Stats() tidal.Stats {
	if db := l.at.Load(); db != nil {
		return db.Stats()
	}
	return tidal.Stats{}
}

// Health implements [metrics.Database].
func (l lateDatabase) Health() tidal.Health {
	if db := l.at.Load(); db != nil {
		return db.Health()
	}
	return tidal.Health{}
}
