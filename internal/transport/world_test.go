package transport_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is members on loopback, each reaching each other by a proxy of its own, which can be cut.
type world struct {
	t       testing.TB
	limits  transporttest.Limits
	tls     *tls.Config
	change  func(*transport.Options) // of the next member
	ends    map[string]*transport.TCP
	address map[string]string
	proxies map[[2]string]*faultproxy.Proxy
}

func newWorld(t testing.TB, l transporttest.Limits, c *tls.Config) *world {
	w := &world{
		t: t, limits: l, tls: c,
		ends: map[string]*transport.TCP{}, address: map[string]string{}, proxies: map[[2]string]*faultproxy.Proxy{},
	}
	t.Cleanup(func() {
		for _, p := range w.proxies {
			p.Close()
		}
		for _, e := range w.ends {
			e.Close()
		}
	})
	return w
}

func (w *world) Join(name string, m transporttest.Member) transport.Transport {
	w.t.Helper()
	listen := "127.0.0.1:0"
	if was, ok := w.address[name]; ok {
		listen = was
	}
	o := transport.Options{
		Listen: listen, Identity: m.Identity, Handler: m.Handler, Admit: m.Admit, Refused: m.Refused, Regions: m.Regions, TLS: w.tls,
		MaxFrame: w.limits.MaxFrame, QueueFrames: w.limits.QueueFrames, QueueBytes: w.limits.QueueBytes,
		KeepAlive: 50 * time.Millisecond, Idle: 20 * time.Second, BackoffMin: 5 * time.Millisecond, BackoffMax: 40 * time.Millisecond,
	}
	if w.change != nil {
		w.change(&o)
	}
	end, err := transport.Listen(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ends[name], w.address[name] = end, end.Address()
	return end
}

func (w *world) proxy(from, to string) *faultproxy.Proxy {
	w.t.Helper()
	p := w.proxies[[2]string{from, to}]
	if p == nil {
		var err error
		if p, err = faultproxy.Listen("127.0.0.1:0", w.address[to], 1); err != nil {
			w.t.Fatal(err)
		}
		w.proxies[[2]string{from, to}] = p
	}
	return p
}

func (w *world) Route(from, to string) string { return w.proxy(from, to).Address() }

func (w *world) Cut(from, to string) { w.proxy(from, to).Cut(faultproxy.Both) }

func (w *world) Mend(from, to string) { w.proxy(from, to).Mend() }

func (w *world) Stepped() bool { return false }

func (w *world) Until(what string, holds func() bool) {
	w.t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			for name, e := range w.ends {
				w.t.Logf("%s: %+v", name, e.Stats())
			}
			w.t.Fatalf("it never came: %s", what)
		}
	}
}

// authority is a CA with certificates for this machine.
type authority struct{ pair certs.Pair }

func newAuthority(t testing.TB, cluster string) *authority {
	t.Helper()
	pair, err := certs.MakeCA(cluster, time.Now(), 30)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{pair}
}

// node returns the configuration of a node, good for the hosts.
func (a *authority) node(t testing.TB, hosts ...string) *tls.Config {
	t.Helper()
	dir := t.TempDir()
	node, err := certs.MakeNode(a.pair, "n1", hosts, time.Now(), 9)
	if err == nil {
		err = node.Write(dir, "node")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ca.crt"), a.pair.Certificate, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(certs.Files{
		CA: filepath.Join(dir, "ca.crt"), Certificate: filepath.Join(dir, "node.crt"), Key: filepath.Join(dir, "node.key"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return source.TLS()
}

func TestConformancePlain(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World { return newWorld(t, l, nil) })
}

func TestConformanceTLS(t *testing.T) {
	c := newAuthority(t, "shop").node(t, "127.0.0.1")
	transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World { return newWorld(t, l, c) })
}

// receiver is a handler that answers nothing.
type receiver func(from uint64, frame []byte)

func (f receiver) Receive(from uint64, frame []byte) { f(from, frame) }

func (f receiver) Answer(context.Context, uint64, []byte) ([]byte, error) { return nil, nil }
