package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error says what is wrong with a certificate, and how to mend it.
type Error struct {
	// Err is what the library, or this package, said.
	Err error
	// Leaf is the certificate that was refused.
	Leaf *x509.Certificate
	// CA names the authorities of whoever refused it.
	CA string
	// Host is what it was to be for; "" if any host will do.
	Host string
	// Now is the time at which it was looked at.
	Now time.Time
}

// Unwrap returns what the library said.
func (e *Error) Unwrap() error { return e.Err }

// Error says it for people.
func (e *Error) Error() string {
	name := e.Leaf.Subject.CommonName
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	switch {
	case errors.As(e.Err, &unknown):
		return fmt.Sprintf("certificate %q was made by %q, which isn't the CA here: %s; make one with this cluster's CA",
			name, e.Leaf.Issuer.CommonName, e.CA)
	case errors.As(e.Err, &host):
		return fmt.Sprintf("certificate %q is for %s, not for %s; make one that names this host too, or correct the address",
			name, hostsOf(e.Leaf), e.Host)
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && e.Now.Before(e.Leaf.NotBefore):
		return fmt.Sprintf("certificate %q isn't good before %s, and it is %s here; look at the clocks",
			name, instant(e.Leaf.NotBefore), instant(e.Now))
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && e.Now.After(e.Leaf.NotAfter):
		return fmt.Sprintf("certificate %q was good until %s, and it is %s here; make a new one", name, instant(e.Leaf.NotAfter),
			instant(e.Now))
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the CA of certificate %q isn't good at %s; make a new CA", name, instant(e.Now))
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Sprintf("certificate %q isn't good for servers and clients, as one of a node must be", name)
	}
	return fmt.Sprintf("certificate %q: %v", name, e.Err)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func hostsOf(c *x509.Certificate) string {
	hosts := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 {
		return "no host"
	}
	return strings.Join(hosts, ", ")
}
