// Package certs makes and loads the certificates by which the nodes of a cluster know each other.
//
//	ca, err := certs.MakeCA("shop", time.Now(), 3650)
//	node, err := certs.MakeNode(ca, "n1", []string{"10.0.0.1", "n1.example.org"}, time.Now(), 365)
//	err = node.Write("/etc/tidal", "node")        // node.crt and node.key
//	source, err := certs.Open(certs.Files{CA: "ca.crt", Certificate: "node.crt", Key: "node.key"}, nil)
//	config := source.TLS()                         // for both directions; follows the files when they change
//
// A cluster has one authority, whose key stays with whoever adds nodes, and is on none of them. Whoever holds a certificate
// of it is believed which replica they say they are: certificates guard the cluster against others, not its members
// against each other. Certificates of other tools do as well, if they are good for servers and clients.
//
// There are no lists of revoked certificates. A key that got out is answered by a new authority: put both in ca.crt, give
// each node a new certificate, then take the old one out of ca.crt. Nothing needs a restart.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// scheme is that of the URI by which a certificate says whose it is: tidal://CLUSTER of an authority, tidal://CLUSTER/NODE
// of a node.
const scheme = "tidal"

const (
	// MaxDays is the longest life of a certificate.
	MaxDays = 36_500
	// before is how long before it is made a certificate begins to be good: the clocks of nodes differ.
	before = time.Hour
	// maxHosts bounds the hosts of one certificate.
	maxHosts = 100
)

// Pair is a certificate and its key, both as PEM.
type Pair struct{ Certificate, Key []byte }

// MakeCA makes an authority for a cluster, which has a name of 1 to 63 of a–z, 0–9, '-' and '.'. Days is how long it is good.
func MakeCA(cluster string, now time.Time, days int) (Pair, error) {
	if err := checkName("cluster", cluster); err != nil {
		return Pair{}, err
	}
	if err := checkDays(days); err != nil {
		return Pair{}, err
	}
	return sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "tidal CA of " + cluster},
		NotBefore:             now.Add(-before),
		NotAfter:              now.AddDate(0, 0, days),
		URIs:                  []*url.URL{{Scheme: scheme, Host: cluster}},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, nil)
}

// MakeNode makes a certificate for a node, good as server and as client. Its name is as a cluster's; hosts, 1 to 100, are the
// IP addresses and DNS names under which others reach it, without ports. The authority must outlive it: days that go beyond are
// refused.
func MakeNode(ca Pair, name string, hosts []string, now time.Time, days int) (Pair, error) {
	if err := checkName("name", name); err != nil {
		return Pair{}, err
	}
	if err := checkDays(days); err != nil {
		return Pair{}, err
	}
	issuer, key, err := ca.parse()
	if err != nil {
		return Pair{}, err
	}
	cluster := clusterOf(issuer)
	if !issuer.IsCA || cluster == "" {
		return Pair{}, fault.Refuse("ca", "%q is no authority of a cluster", issuer.Subject.CommonName)
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   now.Add(-before),
		NotAfter:    now.AddDate(0, 0, days),
		URIs:        []*url.URL{{Scheme: scheme, Host: cluster, Path: "/" + name}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if leaf.NotAfter.After(issuer.NotAfter) {
		return Pair{}, fault.Refuse("days", "is %d, longer than the authority is good, until %s", days,
			issuer.NotAfter.UTC().Format(time.RFC3339))
	}
	if err := addHosts(leaf, hosts); err != nil {
		return Pair{}, err
	}
	return sign(leaf, issuer, key)
}

func addHosts(leaf *x509.Certificate, hosts []string) error {
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return fault.Refuse("hosts", "has %d entries; 1 to %d are needed, under which others reach the node", len(hosts), maxHosts)
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
			continue
		}
		if !isHost(h) {
			return fault.Refuse("hosts", "%q is neither an IP address nor a DNS name; give it without port", h)
		}
		leaf.DNSNames = append(leaf.DNSNames, h)
	}
	return nil
}

// isHost tells DNS names, in lower case, from other texts.
func isHost(h string) bool {
	if len(h) == 0 || len(h) > 253 {
		return false
	}
	for _, label := range strings.Split(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, letters) != "" {
			return false
		}
	}
	return true
}

// sign makes a key, and a certificate of it by the issuer; without one, by itself.
func sign(c, issuer *x509.Certificate, by crypto.Signer) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make a key: %w", err)
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return Pair{}, fmt.Errorf("draw a serial number: %w", err)
	}
	if issuer == nil {
		issuer, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), by)
	if err != nil {
		return Pair{}, fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}, nil
}

// parse returns the certificate and the key that belongs to it.
func (p Pair) parse() (*x509.Certificate, crypto.Signer, error) {
	certs, err := parseCertificates(p.Certificate)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(p.Key)
	if block == nil {
		return nil, nil, errors.New("there is no key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("a key of type %T can't sign", parsed)
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(certs[0].PublicKey) {
		return nil, nil, fmt.Errorf("the key isn't that of the certificate %q", certs[0].Subject.CommonName)
	}
	return certs[0], key, nil
}

// parseCertificates returns all certificates of a PEM text, at least one.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a certificate: %w", err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no certificate in PEM")
	}
	return out, nil
}

// clusterOf returns the cluster's name in a certificate, "" if it names none.
func clusterOf(c *x509.Certificate) string {
	for _, u := range c.URIs {
		if u.Scheme == scheme {
			return u.Host
		}
	}
	return ""
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"

func checkName(field, name string) error {
	if len(name) == 0 || len(name) > 63 || strings.Trim(name, letters+".") != "" || strings.Trim(name, "-.") != name {
		return fault.Refuse(field, "%q isn't 1 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends", name)
	}
	return nil
}

func checkDays(days int) error {
	if days < 1 || days > MaxDays {
		return fault.Refuse("days", "is %d; it lies between 1 and %d", days, MaxDays)
	}
	return nil
}
