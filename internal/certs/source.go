package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Files are the paths of what a node needs.
type Files struct {
	// CA holds the certificates of the authorities whose nodes are let in, one or several.
	CA string
	// Certificate and Key are the node's own. Intermediate certificates may follow the node's in its file.
	Certificate, Key string
}

// Source is what was loaded from files, and follows them. All methods may be called at any time by anybody.
type Source struct {
	files Files
	now   func() time.Time

	mu     sync.Mutex
	loaded *loaded
	marks  [3]mark // of the files when they were last looked at
	err    error   // why what is in them now isn't used
}

// loaded is one state of the files. It never changes.
type loaded struct {
	cert    tls.Certificate
	leaf    *x509.Certificate
	roots   *x509.CertPool
	ca      string // the names of the authorities
	cluster string
	until   time.Time
}

// mark tells whether a file has changed.
type mark struct {
	size int64
	time time.Time
}

// Open loads the files. They must go together: a certificate that isn't of the authority, or isn't good now, is refused,
// since no other node would let it in. Now is the clock, by which certificates are good; nil: the system's.
func Open(f Files, now func() time.Time) (*Source, error) {
	if now == nil {
		now = time.Now
	}
	s := &Source{files: f, now: now}
	s.marks = s.look()
	var err error
	if s.loaded, err = load(f, now()); err != nil {
		return nil, err
	}
	return s, nil
}

// TLS returns a configuration for both directions: it demands and verifies certificates, and takes nothing below TLS 1.3.
// Each handshake looks whether the files have changed.
//
// Whoever dials sets ServerName in a clone. If that is an IP address, the library doesn't say so when it asks for the
// verification: then compare the certificate with the address after the handshake, as [x509.Certificate.VerifyHostname]
// does. Package transport does both.
func (s *Source) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       s.now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &s.current().cert, nil
		},
		// The verification is below: roots that change can't be given here.
		InsecureSkipVerify: true,
		VerifyConnection: func(c tls.ConnectionState) error {
			return s.current().verify(c, s.now(), x509.ExtKeyUsageServerAuth, c.ServerName)
		},
		ClientAuth: tls.RequireAndVerifyClientCert,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.server(), nil
		},
		SessionTicketsDisabled: true,
	}
}

// server is the configuration of one connection that somebody else has begun. The library verifies it as well, because it
// then tells the other side by its alert what is wrong.
func (s *Source) server() *tls.Config {
	l := s.current()
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Time:         s.now,
		Certificates: []tls.Certificate{l.cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    l.roots,
		VerifyConnection: func(c tls.ConnectionState) error {
			return l.verify(c, s.now(), x509.ExtKeyUsageClientAuth, "")
		},
		SessionTicketsDisabled: true,
	}
}

// NotAfter returns until when both the node's certificate and its authority's are good.
func (s *Source) NotAfter() time.Time { return s.current().until }

// Cluster and Name return what the node's certificate says; "" if it was made by another tool.
func (s *Source) Cluster() string { return s.current().cluster }

// Name returns the name in the node's certificate.
func (s *Source) Name() string { return s.current().leaf.Subject.CommonName }

// Check looks whether the files have changed, and returns why what is in them now can't be used; what was loaded before is
// used then, for as long as it is good.
func (s *Source) Check() error {
	_ = s.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// current returns what is loaded, after loading anew if a file has changed.
func (s *Source) current() *loaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := s.look()
	if marks == s.marks {
		return s.loaded
	}
	s.marks = marks
	// While somebody replaces one file after the other they don't go together; the last one changes the marks again.
	l, err := load(s.files, s.now())
	if s.err = err; err == nil {
		s.loaded = l
	}
	return s.loaded
}

func (s *Source) look() [3]mark {
	var out [3]mark
	for i, path := range []string{s.files.CA, s.files.Certificate, s.files.Key} {
		if info, err := os.Stat(path); err == nil {
			out[i] = mark{info.Size(), info.ModTime()}
		}
	}
	return out
}

// load reads the files and makes sure that they go together.
func load(f Files, now time.Time) (*loaded, error) {
	text, err := readFile(f.CA)
	if err != nil {
		return nil, err
	}
	authorities, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.CA, err)
	}
	own, err := read(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	l := &loaded{roots: x509.NewCertPool()}
	for i, a := range authorities {
		if !a.IsCA {
			return nil, fmt.Errorf("%s: %q is no authority's certificate", f.CA, a.Subject.CommonName)
		}
		l.roots.AddCert(a)
		if i > 0 {
			l.ca += ", "
		}
		l.ca += fmt.Sprintf("%q", a.Subject.CommonName)
	}
	if l.cert, err = tls.X509KeyPair(own.Certificate, own.Key); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Certificate, err)
	}
	l.leaf = l.cert.Leaf
	l.cluster = clusterOf(l.leaf)
	chain, err := parseCertificates(own.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Certificate, err)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if l.until, err = l.check(chain, now, usage, ""); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Certificate, err)
		}
	}
	return l, nil
}

// verify decides about the certificate of the other end.
func (l *loaded) verify(c tls.ConnectionState, now time.Time, usage x509.ExtKeyUsage, host string) error {
	if len(c.PeerCertificates) == 0 {
		return errors.New("the other end has shown no certificate")
	}
	_, err := l.check(c.PeerCertificates, now, usage, host)
	return err
}

// check verifies a chain, and returns until when it is good.
func (l *loaded) check(chain []*x509.Certificate, now time.Time, usage x509.ExtKeyUsage, host string) (time.Time, error) {
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: l.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: host,
	})
	if err != nil {
		return time.Time{}, &Error{Err: err, Leaf: leaf, CA: l.ca, Host: host, Now: now}
	}
	if theirs := clusterOf(leaf); theirs != l.cluster {
		err := fmt.Errorf("it is of cluster %q, this end's is of cluster %q", theirs, l.cluster)
		return time.Time{}, &Error{Err: err, Leaf: leaf, CA: l.ca, Host: host, Now: now}
	}
	until := time.Time{}
	for _, chain := range chains {
		end := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(until) {
			until = end
		}
	}
	return until, nil
}
