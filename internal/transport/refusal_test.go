package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// quiet is a handler to which nothing may come.
type quiet struct{ t testing.TB }

func (q quiet) Receive(from uint64, _ []byte) { q.t.Errorf("a frame came from %d", from) }

func (q quiet) Answer(context.Context, uint64, []byte) ([]byte, error) {
	q.t.Error("a question came")
	return nil, nil
}

// book is a log that tests read.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) has(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), what)
}

func (b *book) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// meeting is a member that dials another, each with its own configuration and log.
type meeting struct {
	*world
	near, far       book // the logs of the one that dials and of the other
	end             transport.Transport
	mu              sync.Mutex
	told            []*transport.Refusal
	dialler, listen string // names
}

func meet(t *testing.T, near, far *tls.Config) *meeting {
	t.Helper()
	m := &meeting{world: newWorld(t, transporttest.Limits{}, nil), dialler: "a", listen: "b"}
	m.change = func(o *transport.Options) { o.TLS, o.Log = far, m.far.logger() }
	m.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: quiet{t}})
	m.change = func(o *transport.Options) { o.TLS, o.Log = near, m.near.logger() }
	m.end = m.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}, Refused: func(_ string, why *transport.Refusal) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = append(m.told, why)
	}})
	m.end.SetPeer(2, m.address["b"])
	return m
}

// TestWrongCertificatesAreLoggedOnBothSides lets members meet that don't belong together. Each side's log says what is
// wrong, and a question fails with the same reason.
func TestWrongCertificatesAreLoggedOnBothSides(t *testing.T) {
	shop, other := newAuthority(t, "shop"), newAuthority(t, "other")
	good := shop.node(t, "127.0.0.1")
	foreign := other.node(t, "127.0.0.1")
	elsewhere := shop.node(t, "10.9.9.9", "elsewhere.example.org")
	// It shows a certificate and believes everybody.
	gullible := func(c *tls.Config) *tls.Config {
		c = c.Clone()
		c.VerifyConnection = nil
		return c
	}
	naked := &tls.Config{
		InsecureSkipVerify: true, ClientAuth: tls.RequireAndVerifyClientCert,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil },
	}
	for name, c := range map[string]struct {
		near, far             *tls.Config
		reason                transport.Reason
		nearSays, farSays     string
		refusedByTheOtherSide bool
	}{
		"a member of another CA": {
			gullible(foreign), good, transport.ReasonCertificate,
			"made by a CA that the other end doesn't know", "which isn't a CA that this end knows", true,
		},
		"the other end is of another CA": {
			good, foreign, transport.ReasonCertificate,
			"which isn't the CA here", "isn't good for the other end", false,
		},
		"no certificate": {
			naked, good, transport.ReasonCertificate,
			"this end has shown no certificate", "the other end has shown no certificate", true,
		},
		"a certificate for another host": {
			good, elsewhere, transport.ReasonCertificate,
			"make one that names this host too", "make one that names this host too", false,
		},
		"plain to TLS": {nil, good, transport.ReasonPlain, "speaks without TLS", "speaks without TLS", true},
		"TLS to plain": {good, nil, transport.ReasonPlain, "speaks without TLS", "speaks TLS", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := meet(t, c.near, c.far)
			m.Until("the near log says "+c.nearSays, func() bool { return m.near.has(c.nearSays) })
			m.Until("the far log says "+c.farSays, func() bool { return m.far.has(c.farSays) })
			_, err := m.end.Ask(t.Context(), m.address["b"], []byte("q"))
			var why *transport.Refusal
			if !errors.As(err, &why) || why.Reason != c.reason || why.Remote != c.refusedByTheOtherSide {
				t.Errorf("a question: %v", err)
			}
			if s := m.end.Stats(); s[0].Refused == 0 || !strings.Contains(s[0].LastError, c.nearSays) {
				t.Errorf("stats: %+v", s)
			}
			m.Until("it is down", func() bool { return errors.Is(m.end.Send(2, []byte("x")), transport.ErrDown) })
			m.mu.Lock()
			defer m.mu.Unlock()
			if (len(m.told) > 0) != c.refusedByTheOtherSide {
				t.Errorf("the owner was told %v", m.told)
			}
		})
	}
}

// TestARefusalIsLoggedOnceAMinute: a member that is refused comes again and again.
func TestARefusalIsLoggedOnceAMinute(t *testing.T) {
	m := meet(t, newAuthority(t, "other").node(t, "127.0.0.1"), newAuthority(t, "shop").node(t, "127.0.0.1"))
	m.Until("it was refused often", func() bool { return m.end.Stats()[0].Refused > 5 })
	for name, b := range map[string]*book{"near": &m.near, "far": &m.far} {
		b.mu.Lock()
		if n := strings.Count(b.text.String(), "\n"); n > 4 { // two classes, and once that it is plain
			t.Errorf("the %s log has %d lines:\n%s", name, n, b.text.String())
		}
		b.mu.Unlock()
	}
}

// TestStrangeBytesAreRefused writes what isn't the protocol to a port, whole and in pieces.
func TestStrangeBytesAreRefused(t *testing.T) {
	m := meet(t, nil, nil)
	hello := greetingOf(t, m.address["b"])
	for name, c := range map[string]struct {
		bytes []byte
		says  string
	}{
		"a browser":            {[]byte("GET / HTTP/1.1\r\nHost: tidal\r\n\r\n"), "isn't this protocol"},
		"a damaged hello":      {append(bytes.Clone(hello[:20]), make([]byte, 60)...), "damaged"},
		"half a hello":         {hello[:20], "unexpected EOF"},
		"an old version":       {versioned(hello, 0, 0), "damaged"},
		"a much newer version": {versioned(hello, 200, 210), "versions 200 to 210"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", m.address["b"])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it isn't closed: %v", err)
			}
			m.Until("the log says "+c.says, func() bool { return m.far.has(c.says) })
		})
	}
}

func TestOptionsThatCantBeAreRefused(t *testing.T) {
	good := func() transport.Options {
		return transport.Options{Listen: "127.0.0.1:0", Identity: transporttest.Who(1), Handler: quiet{t}}
	}
	for name, change := range map[string]func(*transport.Options){
		"no identity":             func(o *transport.Options) { o.Identity = nil },
		"no handler":              func(o *transport.Options) { o.Handler = nil },
		"nowhere to listen":       func(o *transport.Options) { o.Listen = "" },
		"plain beyond loopback":   func(o *transport.Options) { o.Listen = "0.0.0.0:0" },
		"too long frames":         func(o *transport.Options) { o.MaxFrame = 1<<30 + 1 },
		"negative queues":         func(o *transport.Options) { o.QueueBytes = -1 },
		"negative times":          func(o *transport.Options) { o.Handshake = -1 },
		"an idle time below life": func(o *transport.Options) { o.KeepAlive, o.Idle = time.Second, time.Second },
		"backoff upside down":     func(o *transport.Options) { o.BackoffMin, o.BackoffMax = time.Second, time.Millisecond },
		"a long address":          func(o *transport.Options) { o.Advertise = strings.Repeat("a", 256) },
		"TLS that lets all in":    func(o *transport.Options) { o.TLS = &tls.Config{Certificates: make([]tls.Certificate, 1)} },
		"TLS without certificate": func(o *transport.Options) { o.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert} },
	} {
		o := good()
		change(&o)
		end, err := transport.Listen(o)
		if !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			end.Close()
		}
	}
	end, err := transport.Listen(good())
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	o := good()
	o.Listen = end.Address()
	if _, err := transport.Listen(o); err == nil {
		t.Error("two listen at one address")
	}
}

// TestPlainDialsLoopbackOnly asks an address that isn't the machine's own.
func TestPlainDialsLoopbackOnly(t *testing.T) {
	far, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	_, port, _ := net.SplitHostPort(far.Addr().String())
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	end := newWorld(t, transporttest.Limits{}, nil).Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}})
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		if _, err := end.Ask(t.Context(), net.JoinHostPort(ip.IP.String(), port), nil); !errors.Is(err, fault.ErrInput) {
			t.Errorf("asked at %v without TLS: %v", ip.IP, err)
		}
		return
	}
	t.Skip("this machine has loopback addresses alone")
}
