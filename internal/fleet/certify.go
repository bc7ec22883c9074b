package fleet

import (
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal/internal/certs"
)

// certify makes the certificates by which peers know each other, as an operator does with tidal cluster cert.
func (f *Fleet) certify() error {
	if len(f.Nodes) == 1 || f.o.Plain {
		return nil
	}
	now := time.Now()
	ca, err := certs.MakeCA("fleet", now, 2)
	if err == nil {
		err = ca.Write(f.o.Dir, "ca")
	}
	if err != nil {
		return fmt.Errorf("fleet: make an authority: %w", err)
	}
	for _, n := range f.Nodes {
		host, _, err := net.SplitHostPort(n.peer)
		if err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		pair, err := certs.MakeNode(ca, "node-"+n.Name, []string{host}, now, 1)
		if err == nil {
			err = pair.Write(f.o.Dir, "cert-"+n.Name)
		}
		if err != nil {
			return fmt.Errorf("fleet: certify node %s: %w", n.Name, err)
		}
		n.cert = filepath.Join(f.o.Dir, "cert-"+n.Name)
	}
	return nil
}
