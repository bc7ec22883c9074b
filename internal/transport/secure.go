package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// checkTLS refuses a configuration that would let anybody in.
func checkTLS(c *tls.Config) error {
	switch {
	case c == nil:
		return nil
	case c.GetConfigForClient == nil && c.ClientAuth != tls.RequireAndVerifyClientCert:
		return fault.Refuse("TLS", "must demand and verify client certificates")
	case c.GetClientCertificate == nil && len(c.Certificates) == 0:
		return fault.Refuse("TLS", "has no certificate to show as a client")
	}
	return nil
}

// checkPlain refuses an address beyond the machine's own when there is no encryption. In-memory connections of tests
// have other kinds of addresses.
func checkPlain(a net.Addr) error {
	if tcp, ok := a.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		return fault.Refuse("TLS", "is missing, and %s isn't a loopback address: without certificates anybody who reaches it could "+
			"read and write everything; make them with `tidal cluster cert`, or listen at 127.0.0.1", a)
	}
	return nil
}

// dialled shakes hands on a connection that this end has begun.
func (t *TCP) dialled(ctx context.Context, w *wire, address string) (net.Conn, error) {
	if t.o.TLS == nil {
		return w, checkPlain(w.RemoteAddr())
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	c := t.o.TLS.Clone()
	c.MinVersion, c.ServerName, c.DynamicRecordSizingDisabled = tls.VersionTLS13, host, true
	conn := tls.Client(w, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, explain(err)
	}
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(host); err != nil {
		why := &Refusal{Reason: ReasonCertificate, Text: err.Error() + "; make one that names this host too, or correct the address"}
		t.refuse(conn, why)
		w.linger()
		return nil, why
	}
	return conn, nil
}

// accepted shakes hands on a connection that somebody else has begun.
func (t *TCP) accepted(ctx context.Context, w *wire) (net.Conn, error) {
	if t.o.TLS == nil {
		return w, nil
	}
	conn := tls.Server(w, t.serverTLS())
	if err := conn.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && strings.HasPrefix(magic, string(record.RecordHeader[:])) {
			why := &Refusal{Reason: ReasonPlain, Text: "it speaks without TLS, and this end with it; give both certificates"}
			t.refuse(record.Conn, why)
			return nil, why
		}
		return nil, explain(err)
	}
	return conn, nil
}

func (t *TCP) serverTLS() *tls.Config {
	c := t.o.TLS.Clone()
	c.MinVersion, c.DynamicRecordSizingDisabled = tls.VersionTLS13, true
	if choose := c.GetConfigForClient; choose != nil {
		c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(h)
			if err != nil {
				return nil, err
			}
			if chosen == nil {
				chosen = t.o.TLS
			}
			if chosen.ClientAuth != tls.RequireAndVerifyClientCert {
				return nil, errors.New("the configuration of TLS doesn't demand certificates")
			}
			chosen = chosen.Clone()
			chosen.MinVersion, chosen.DynamicRecordSizingDisabled = tls.VersionTLS13, true
			return chosen, nil
		}
	}
	return c
}

// explain says for people what the errors of TLS mean. Those that aren't about trust stay as they are.
func explain(err error) error {
	var refused *Refusal
	var record tls.RecordHeaderError
	var remote *net.OpError
	if errors.As(err, &refused) {
		return err
	}
	if errors.As(err, &record) {
		if strings.HasPrefix(magic, string(record.RecordHeader[:])) {
			return &Refusal{Reason: ReasonPlain, Text: "it speaks without TLS, and this end with it; give both certificates", Remote: true}
		}
		return &Refusal{Reason: ReasonPlain, Text: "what came isn't TLS; is it a port of tidal's?"}
	}
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return &Refusal{Reason: ReasonCertificate, Remote: true, Text: alertText(remote.Err.Error())}
	}
	if text := certificateText(err); text != "" {
		return &Refusal{Reason: ReasonCertificate, Text: text}
	}
	return err
}

// alertText says what an alert of the other side means; the library has texts and no numbers for them.
func alertText(alert string) string {
	for _, known := range []struct{ alert, means string }{
		{"unknown certificate authority", "this end's certificate was made by a CA that the other end doesn't know"},
		{"expired certificate", "this end's certificate, or its CA's, has expired or isn't good yet; look at the clocks too"},
		{"certificate required", "this end has shown no certificate"},
		{"bad certificate", "this end's certificate isn't good for the other end: another CA, cluster, host or time; its log says which"},
		{"protocol version not supported", "the two ends have no version of TLS in common; 1.3 is needed"},
		{"handshake failure", "the two ends have nothing of TLS in common"},
	} {
		if strings.Contains(alert, known.alert) {
			return fmt.Sprintf("%s (%s)", known.means, alert)
		}
	}
	return alert
}

// certificateText says what is wrong with the other end's certificate; "" if the error is about something else.
func certificateText(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var whole *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown) && unknown.Cert != nil && errors.As(err, &whole):
		return fmt.Sprintf("the other end's certificate %q was made by %q, which isn't a CA that this end knows",
			unknown.Cert.Subject.CommonName, unknown.Cert.Issuer.CommonName)
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &host):
		return err.Error()
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		return "the other end has shown no certificate"
	case strings.Contains(err.Error(), "certificate"):
		return err.Error()
	}
	return ""
}
