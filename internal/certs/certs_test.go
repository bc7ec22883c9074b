package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

func mustCA(t *testing.T, cluster string) Pair {
	t.Helper()
	ca, err := MakeCA(cluster, noon, 365)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// put writes a node's files and returns them.
func put(t *testing.T, ca []byte, node Pair) Files {
	t.Helper()
	dir := t.TempDir()
	if err := node.Write(dir, "node"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return Files{CA: filepath.Join(dir, "ca.crt"), Certificate: filepath.Join(dir, "node.crt"), Key: filepath.Join(dir, "node.key")}
}

func source(t *testing.T, ca, node Pair, now func() time.Time) *Source {
	t.Helper()
	s, err := Open(put(t, ca.Certificate, node), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func node(t *testing.T, ca Pair, name string, hosts ...string) Pair {
	t.Helper()
	n, err := MakeNode(ca, name, hosts, noon, 30)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// meet shakes hands over loopback, exchanges a byte each way, and returns how it ended at both sides.
func meet(t *testing.T, client, server *tls.Config) (atClient, atServer error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// The server speaks first: what a client sent unread would turn the end into a reset, which overtakes an alert.
	exchange := func(c *tls.Conn, steps ...func(io.ReadWriter) error) error {
		defer c.Close()
		if err := c.Handshake(); err != nil {
			return err
		}
		for _, step := range steps {
			if err := step(c); err != nil {
				return err
			}
		}
		return nil
	}
	write := func(c io.ReadWriter) error { _, err := c.Write([]byte("x")); return err }
	read := func(c io.ReadWriter) error { _, err := io.ReadFull(c, make([]byte, 1)); return err }
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = exchange(tls.Server(conn, server), write, read)
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	atClient = exchange(tls.Client(conn, client), read, write)
	return atClient, <-done
}

func named(c *tls.Config, host string) *tls.Config {
	c = c.Clone()
	c.ServerName = host
	return c
}

// alerted says whether an error is the other side's alert with this text.
func alerted(err error, text string) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(err.Error(), text)
}

func TestNodesOfOneClusterMeet(t *testing.T) {
	ca := mustCA(t, "shop")
	a := source(t, ca, node(t, ca, "n1", "n1.example.org", "10.0.0.1"), at(noon))
	b := source(t, ca, node(t, ca, "n2", "n2.example.org"), at(noon))
	if c, s := meet(t, named(a.TLS(), "n2.example.org"), b.TLS()); c != nil || s != nil {
		t.Errorf("at the client %v, at the server %v", c, s)
	}
	if a.Cluster() != "shop" || a.Name() != "n1" || !a.NotAfter().Equal(noon.AddDate(0, 0, 30)) {
		t.Errorf("cluster %q, name %q, until %v", a.Cluster(), a.Name(), a.NotAfter())
	}
	cert, err := parseCertificates(node(t, ca, "n1", "10.0.0.1", "::1").Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if cert[0].VerifyHostname("10.0.0.1") != nil || cert[0].VerifyHostname("::1") != nil || cert[0].VerifyHostname("10.0.0.2") == nil {
		t.Error("IP addresses aren't what was asked for")
	}
}

func TestOthersAreRefusedOnBothSides(t *testing.T) {
	ca, other := mustCA(t, "shop"), mustCA(t, "shop")
	good := source(t, ca, node(t, ca, "n1", "n1"), at(noon))
	foreign := source(t, other, node(t, other, "stranger", "n1"), at(noon))

	c, s := meet(t, named(foreign.TLS(), "n1"), good.TLS())
	if c == nil || s == nil {
		t.Errorf("a client of another CA: at the client %v, at the server %v", c, s)
	}
	var mine *Error
	if !errors.As(c, &mine) || !strings.Contains(mine.Error(), `made by "tidal CA of shop", which isn't the CA here`) {
		t.Errorf("a server of another CA is refused with %v", c)
	}

	// Only the server looks: its alert says to the other side what is wrong.
	blind := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: foreign.TLS().GetClientCertificate}
	c, s = meet(t, blind, good.TLS())
	var unknown x509.UnknownAuthorityError
	if !errors.As(s, &unknown) || !alerted(c, "unknown certificate authority") {
		t.Errorf("a client of another CA: at the client %v, at the server %v", c, s)
	}
	c, s = meet(t, &tls.Config{InsecureSkipVerify: true}, good.TLS())
	if s == nil || !alerted(c, "certificate required") {
		t.Errorf("a client without certificate: at the client %v, at the server %v", c, s)
	}
	old := named(good.TLS(), "n1")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if c, s = meet(t, old, good.TLS()); c == nil || s == nil {
		t.Errorf("TLS 1.2: at the client %v, at the server %v", c, s)
	}
}

func TestTheWrongHostIsRefused(t *testing.T) {
	ca := mustCA(t, "shop")
	a := source(t, ca, node(t, ca, "n1", "n1.example.org", "10.0.0.1"), at(noon))
	c, s := meet(t, named(a.TLS(), "n2.example.org"), a.TLS())
	if c == nil || !strings.Contains(c.Error(), `"n1" is for n1.example.org, 10.0.0.1, not for n2.example.org`) {
		t.Errorf("at the client: %v", c)
	}
	if !alerted(s, "bad certificate") {
		t.Errorf("at the server: %v", s)
	}
}

func TestCertificatesOutOfTheirTimeAreRefused(t *testing.T) {
	ca := mustCA(t, "shop")
	n := node(t, ca, "n1", "n1")
	files := put(t, ca.Certificate, n)
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{noon.AddDate(0, 0, 31), `"n1" was good until 2026-12-26T12:00:00Z, and it is 2026-12-27T12:00:00Z here`},
		{noon.Add(-2 * time.Hour), `"n1" isn't good before 2026-11-26T11:00:00Z, and it is 2026-11-26T10:00:00Z here; look at the clocks`},
		{noon.AddDate(2, 0, 0), `was good until`},
	} {
		if _, err := Open(files, at(c.now)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("at %v: %v; want %q", c.now, err, c.want)
		}
	}
	// It ends while both run: the other side refuses, and says so.
	now := noon
	clock := func() time.Time { return now }
	a, b := source(t, ca, n, clock), source(t, ca, node(t, ca, "n2", "n2"), clock)
	now = noon.AddDate(0, 0, 31)
	c, _ := meet(t, named(a.TLS(), "n2"), b.TLS())
	if c == nil || !strings.Contains(c.Error(), `"n2" was good until`) {
		t.Errorf("at the client: %v", c)
	}
	blind := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: a.TLS().GetClientCertificate}
	c, s := meet(t, blind, b.TLS())
	if !alerted(c, "expired certificate") || s == nil {
		t.Errorf("an expired client: at the client %v, at the server %v", c, s)
	}
}

// crafted signs a node's certificate that MakeNode wouldn't.
func crafted(t *testing.T, ca Pair, change func(*x509.Certificate)) Pair {
	t.Helper()
	issuer, key, err := ca.parse()
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "odd"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.AddDate(0, 0, 9),
		DNSNames: []string{"odd"}, KeyUsage: x509.KeyUsageDigitalSignature,
		URIs:        []*url.URL{{Scheme: scheme, Host: "shop", Path: "/odd"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(c)
	p, err := sign(c, issuer, key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOddCertificatesOfTheSameCA(t *testing.T) {
	ca := mustCA(t, "shop")
	good := source(t, ca, node(t, ca, "n1", "n1"), at(noon))
	for _, c := range []struct {
		change func(*x509.Certificate)
		want   string
	}{
		{func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }, "isn't good for servers and clients"},
		{func(c *x509.Certificate) { c.URIs[0].Host = "bank" }, `it is of cluster "bank", this end's is of cluster "shop"`},
		{func(c *x509.Certificate) { c.URIs = nil }, `it is of cluster "", this end's is of cluster "shop"`},
	} {
		odd := crafted(t, ca, c.change)
		cert, err := tls.X509KeyPair(odd.Certificate, odd.Key)
		if err != nil {
			t.Fatal(err)
		}
		raw := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true}
		if atClient, _ := meet(t, named(good.TLS(), "odd"), raw); atClient == nil || !strings.Contains(atClient.Error(), c.want) {
			t.Errorf("as a server: %v; want %q", atClient, c.want)
		}
	}
	// A certificate for clients alone can't be a node's.
	odd := crafted(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })
	if _, err := Open(put(t, ca.Certificate, odd), at(noon)); err == nil {
		t.Error("a certificate for clients alone was taken as a node's")
	}
	// Certificates of other tools name no cluster, and do among themselves.
	plain := crafted(t, ca, func(c *x509.Certificate) { c.URIs = nil })
	s := source(t, ca, plain, at(noon))
	if c, s := meet(t, named(s.TLS(), "odd"), s.TLS()); c != nil || s != nil {
		t.Errorf("certificates of another tool: %v, %v", c, s)
	}
}

func TestFilesAreFollowed(t *testing.T) {
	first, second := mustCA(t, "shop"), mustCA(t, "shop")
	files := put(t, first.Certificate, node(t, first, "n1", "n1"))
	s, err := Open(files, at(noon))
	if err != nil {
		t.Fatal(err)
	}
	peer := source(t, second, node(t, second, "n2", "n2"), at(noon))
	replace := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		// Two changes within one tick of the file system's clock would be one.
		if err := os.Chtimes(path, time.Time{}, noon.Add(time.Duration(len(b))*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	new := node(t, second, "n1", "n1")
	replace(files.Certificate, new.Certificate)
	if s.Check() == nil {
		t.Error("a certificate without its key was taken")
	}
	if c, s := meet(t, named(s.TLS(), "n1"), s.TLS()); c != nil || s != nil {
		t.Errorf("with half the files replaced: %v, %v", c, s)
	}
	replace(files.Key, new.Key)
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "isn't the CA here") {
		t.Errorf("a certificate of a CA that isn't in ca.crt: %v", err)
	}
	replace(files.CA, bytes.Join([][]byte{first.Certificate, second.Certificate}, nil))
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if c, s := meet(t, named(peer.TLS(), "n1"), s.TLS()); c != nil || s != nil {
		t.Errorf("after the change of the CA: %v, %v", c, s)
	}
}

func TestKeysAreGuarded(t *testing.T) {
	ca := mustCA(t, "shop")
	files := put(t, ca.Certificate, node(t, ca, "n1", "n1"))
	dir := filepath.Dir(files.Key)
	info, err := os.Stat(files.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if err := ca.Write(dir, "node"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a key was replaced: %v", err)
	}
	if err := os.Chmod(files.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(files, at(noon)); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that everybody reads: %v", err)
	}
	if err := ca.Write(dir, "ca2"); err != nil {
		t.Fatal(err)
	}
	back, err := Read(dir, "ca2")
	if err != nil || !bytes.Equal(back.Key, ca.Key) || !bytes.Equal(back.Certificate, ca.Certificate) {
		t.Errorf("what was written isn't what is read: %v", err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	ca := mustCA(t, "shop")
	good := node(t, ca, "n1", "n1")
	for name, c := range map[string]struct {
		ca   []byte
		node Pair
	}{
		"an empty CA":         {nil, good},
		"a leaf for a CA":     {good.Certificate, good},
		"another's key":       {ca.Certificate, Pair{good.Certificate, ca.Key}},
		"no key":              {ca.Certificate, Pair{good.Certificate, nil}},
		"a broken CA":         {ca.Certificate[:len(ca.Certificate)/2], good},
		"a key of other form": {ca.Certificate, Pair{good.Certificate, good.Certificate}},
		"far too long":        {bytes.Repeat([]byte("\n"), maxFile+1), good},
	} {
		if _, err := Open(put(t, c.ca, c.node), at(noon)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := Open(Files{}, nil); err == nil {
		t.Error("no files were taken")
	}
}

func TestBadInputMakesNoCertificate(t *testing.T) {
	ca := mustCA(t, "shop")
	leaf := node(t, ca, "n1", "n1")
	for _, err := range []error{
		second(MakeCA("", noon, 9)), second(MakeCA("Shop", noon, 9)), second(MakeCA("-a", noon, 9)), second(MakeCA("a", noon, 0)),
		second(MakeCA("a", noon, MaxDays+1)),
		second(MakeNode(ca, "n 1", []string{"a"}, noon, 9)), second(MakeNode(ca, "n1", nil, noon, 9)),
		second(MakeNode(ca, "n1", []string{"a:7400"}, noon, 9)), second(MakeNode(ca, "n1", []string{"https://a"}, noon, 9)),
		second(MakeNode(ca, "n1", []string{"a"}, noon, 366)), second(MakeNode(leaf, "n1", []string{"a"}, noon, 9)),
		second(MakeNode(ca, "n1", make([]string, 101), noon, 9)),
	} {
		if !errors.Is(err, fault.ErrInput) {
			t.Errorf("got %v, want a refusal", err)
		}
	}
}

func second(_ Pair, err error) error { return err }

// TestWhatIsMadeIsGood makes nodes with any hosts: each is good for each of them, until it ends.
func TestWhatIsMadeIsGood(t *testing.T) {
	ca := mustCA(t, "shop")
	authority, err := parseCertificates(ca.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfN(rapid.OneOf(
			rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z][a-z0-9]{0,8}){0,3}`),
			rapid.Custom(func(t *rapid.T) string { return net.IP(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip4")).String() }),
			rapid.Custom(func(t *rapid.T) string { return net.IP(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip6")).String() }),
		), 1, 5).Draw(t, "hosts")
		days := rapid.IntRange(1, 365).Draw(t, "days")
		p, err := MakeNode(ca, "n1", hosts, noon, days)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := parseCertificates(p.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		l := &loaded{roots: x509.NewCertPool(), cluster: "shop"}
		l.roots.AddCert(authority[0])
		for _, h := range hosts {
			until, err := l.check(chain, noon.AddDate(0, 0, days), x509.ExtKeyUsageServerAuth, h)
			if err != nil || !until.Equal(noon.AddDate(0, 0, days)) {
				t.Errorf("%s: good until %v, %v", h, until, err)
			}
		}
		if _, err := l.check(chain, noon.AddDate(0, 0, days).Add(time.Second), x509.ExtKeyUsageServerAuth, ""); err == nil {
			t.Error("it is good after its end")
		}
	})
}

func FuzzParse(f *testing.F) {
	ca, err := MakeCA("shop", noon, 9)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ca.Certificate, ca.Key)
	f.Add(ca.Key, ca.Certificate)
	f.Fuzz(func(t *testing.T, crt, key []byte) {
		if c, _, err := (Pair{crt, key}).parse(); (c == nil) == (err == nil) {
			t.Errorf("certificate %v, error %v", c, err)
		}
	})
}
