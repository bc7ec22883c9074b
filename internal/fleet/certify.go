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
	ca, err := authority(f.o.Dir)
	if err != nil {
		return err
	}
	for _, n := range f.Nodes {
		if err := f.certifyNode(ca, n); err != nil {
			return err
		}
	}
	return nil
}

// authority makes the one that all members trust.
func authority(dir string) (certs.Pair, error) {
	ca, err := certs.MakeCA("fleet", time.Now(), 2)
	if err == nil {
		err = ca.Write(dir, "ca")
	}
	if err != nil {
		return ca, fmt.Errorf("fleet: make an authority: %w", err)
	}
	return ca, nil
}

func (f *Fleet) certifyNode(ca certs.Pair, n *Node) error {
	host, _, err := net.SplitHostPort(n.peer)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	pair, err := certs.MakeNode(ca, "node-"+n.Name, []string{host}, time.Now(), 1)
	if err == nil {
		err = pair.Write(f.o.Dir, "cert-"+n.Name)
	}
	if err != nil {
		return fmt.Errorf("fleet: certify node %s: %w", n.Name, err)
	}
	n.cert = filepath.Join(f.o.Dir, "cert-"+n.Name)
	return nil
}
