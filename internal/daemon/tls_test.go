package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certify writes a certificate for this machine, signed by itself, and returns the pool that trusts it.
func certify(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "tidal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func TestTLSIsOfVersion13AndItsCertificateIsRenewedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	pool := certify(t, dir, 1)
	r := start(t, options{flags: map[string]string{
		"tls-cert": filepath.Join(dir, "cert.pem"), "tls-key": filepath.Join(dir, "key.pem"),
	}})
	// serial asks over a connection of its own, and says which certificate it saw.
	serial := func(pool *x509.CertPool, most uint16) (int64, string, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: most}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(r.url + "/livez")
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), resp.Proto, nil
	}
	if !strings.HasPrefix(r.url, "https://") {
		t.Errorf("%s", r.url)
	}
	if n, proto, err := serial(pool, 0); n != 1 || proto != "HTTP/2.0" || err != nil {
		t.Errorf("%d %s %v", n, proto, err)
	}
	if _, _, err := serial(pool, tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	next := certify(t, dir, 2)
	r.hangup <- syscall.SIGHUP
	r.await("reloaded")
	if n, _, err := serial(next, 0); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.hangup <- syscall.SIGHUP
	r.await("the certificate stays as it was")
	if n, _, err := serial(next, 0); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}
