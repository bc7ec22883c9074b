package daemon

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// certificate is what the server shows of itself. A reload reads its files again, so a renewed one needs no restart.
type certificate struct {
	cert, key string
	now       atomic.Pointer[tls.Certificate]
}

// openTLS reads the certificate, if the settings name one.
func (d *daemon) openTLS() error {
	c := &d.config.Config
	if c.TLSCert == "" {
		return nil
	}
	d.tls = &certificate{cert: c.TLSCert, key: c.TLSKey}
	return d.tls.load()
}

// load reads the files. After an error the certificate is what it was.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c.now.Store(&pair)
	return nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}
