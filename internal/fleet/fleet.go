package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/freeport"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// Options say what to run.
type Options struct {
	// Dir is where the nodes' directories are made; it must exist, on the disk that is meant.
	Dir string
	// Nodes is how many servers there are, 1 to 9; one is a database of its own, without peers.
	Nodes int
	// Program prepares a command line of the program tidal, such as "serve".
	Program func(ctx context.Context, args ...string) (*exec.Cmd, error)
	// Schema is the file of the schema, or the name of one; empty is "events".
	Schema string
	// Settings are further flags of tidal serve, for all nodes.
	Settings []string
	// Stalls makes it possible to stall the nodes' disks, see package stall; Launcher are the arguments with which the program
	// calls [stall.Exec].
	Stalls   bool
	Launcher []string
	// Wrap may change a node's command before it runs, such as have it run in a network of its own.
	Wrap func(node string, cmd *exec.Cmd)
	// Hosts are the nodes' addresses without a port, where they aren't on this machine's loopback.
	Hosts []string
	// Proxies has all that peers say to a node pass through a proxy, [Node.Network].
	Proxies bool
	// Plain has peers talk without certificates.
	Plain bool
	// Say receives progress, for people; nil for nobody.
	Say func(format string, args ...any)

	// Of a region of a world: which one, and the world; nil for none.
	region string
	world  *World
}

// Fleet is some servers of one database. Its methods belong to one goroutine.
type Fleet struct {
	Nodes []*Node

	o    Options
	http *http.Client
	late bool // a region whose log doesn't tell of all events: it began with a copy, or has got ranges
}

// Start starts the servers, the first one as founder and the others to join it, and returns once all are ready.
func Start(ctx context.Context, o Options) (f *Fleet, err error) {
	if o.Nodes < 1 || o.Nodes > 9 {
		return nil, fmt.Errorf("fleet: %d nodes; there must be 1 to 9", o.Nodes)
	}
	f = &Fleet{o: o, http: &http.Client{Transport: &http.Transport{}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			f = nil
		}
	}()
	for i := range o.Nodes {
		n, err := f.newNode(i)
		if err != nil {
			return f, err
		}
		f.Nodes = append(f.Nodes, n)
	}
	if err := f.certify(); err != nil {
		return f, err
	}
	for _, n := range f.Nodes {
		if err := n.Start(ctx); err != nil {
			return f, err
		}
		f.sayf("node %s serves %s", n.Name, n.URL)
	}
	return f, f.Whole(ctx)
}

func (f *Fleet) sayf(format string, args ...any) {
	if f.o.Say != nil {
		f.o.Say(format, args...)
	}
}

func (f *Fleet) schema() string {
	if f.o.Schema == "" {
		return "events"
	}
	return f.o.Schema
}

// newNode chooses a node's addresses. They are those of the loopback network that nobody else will take meanwhile: a
// server that was killed comes back at the same ones.
func (f *Fleet) newNode(i int) (*Node, error) {
	n := &Node{Name: string(rune('a' + i)), f: f, founder: i == 0}
	if f.o.world != nil {
		n.Name = f.o.region + "-" + n.Name
		i = f.o.world.nodes
	}
	n.Dir = DirOf(f.o.Dir, n.Name)
	host := loopback(i)
	if len(f.o.Hosts) > 0 {
		host = f.o.Hosts[i]
		// The addresses of networks that aren't there yet can't be tried; nobody else is in them.
		n.listen, n.peer = net.JoinHostPort(host, "7878"), net.JoinHostPort(host, "7879")
	} else {
		var err error
		if n.listen, err = freeport.At(host); err != nil {
			return nil, err
		}
		for n.peer = n.listen; n.peer == n.listen; {
			if n.peer, err = freeport.At(host); err != nil {
				return nil, err
			}
		}
	}
	if f.o.Nodes == 1 && f.o.world == nil {
		n.peer = ""
	} else if f.o.Proxies {
		var err error
		if n.proxy, err = faultproxy.Listen(net.JoinHostPort(host, "0"), n.peer, uint64(i)); err != nil {
			return nil, fmt.Errorf("fleet: %w", err)
		}
	}
	n.URL = "http://" + n.listen
	return n, nil
}

// DirOf is where a node's data will be, below the fleet's directory.
func DirOf(dir, node string) string { return filepath.Join(dir, "node-"+node) }

// loopback is an address of this machine that belongs to a node of this process, where all of 127.0.0.0/8 is this machine:
// each process has 254 of its own, but for those whose numbers are 65,024 apart.
func loopback(i int) string {
	pid := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 1+pid>>8%254, pid&0xff, 1+i%254)
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "127.0.0.1"
	}
	_ = l.Close()
	return host
}

// peersOf are the addresses that a node joins by.
func (f *Fleet) peersOf(n *Node) string {
	var peers []string
	for _, x := range f.Nodes {
		if x != n {
			peers = append(peers, x.advertised())
		}
	}
	return strings.Join(peers, ",")
}

// URLs are where clients find the nodes.
func (f *Fleet) URLs() []string {
	var out []string
	for _, n := range f.Nodes {
		out = append(out, n.URL)
	}
	return out
}

// Others are all nodes but one.
func (f *Fleet) Others(n *Node) []*Node {
	var out []*Node
	for _, x := range f.Nodes {
		if x != n {
			out = append(out, x)
		}
	}
	return out
}

// Logs are what all nodes have said, for a failure's picture.
func (f *Fleet) Logs() string {
	var b strings.Builder
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "--- node %s, %s\n%s\n", n.Name, n.URL, n.Log())
	}
	return b.String()
}

// closeTimeout is how long a server may take to stop in order, on a machine with other things to do.
const closeTimeout = 3 * time.Minute

// Stop ends all nodes in order, at once; their directories stay.
func (f *Fleet) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return f.each(func(n *Node) error { return n.Stop(ctx) })
}

// KillAll ends all nodes at the same time, as a power failure does.
func (f *Fleet) KillAll() error {
	return f.each(func(n *Node) error { return n.Kill() })
}

// StartAll starts all nodes that don't run, at the same time, and returns once they are ready.
func (f *Fleet) StartAll(ctx context.Context) error {
	err := f.each(func(n *Node) error {
		if n.Running() {
			return nil
		}
		return n.Start(ctx)
	})
	if err != nil {
		return err
	}
	return f.Whole(ctx)
}

// each does something with all nodes at once.
func (f *Fleet) each(do func(*Node) error) error {
	errs := make(chan error)
	for _, n := range f.Nodes {
		go func() { errs <- do(n) }()
	}
	var all []error
	for range f.Nodes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// Close kills what still runs.
func (f *Fleet) Close() error {
	err := f.KillAll()
	f.http.CloseIdleConnections()
	for _, n := range f.Nodes {
		if n.proxy != nil {
			err = errors.Join(err, n.proxy.Close())
		}
		if n.door != nil {
			err = errors.Join(err, n.door.close())
		}
	}
	return err
}
