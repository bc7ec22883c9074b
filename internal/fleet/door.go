package fleet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// door is where one node of a world is reached by its peers. What comes from its own region goes straight in; what comes from
// another one passes through the way from there, a proxy.
type door struct {
	w        *World
	node     *Node
	listener net.Listener
	wait     sync.WaitGroup

	mu    sync.Mutex
	ways  map[string]*faultproxy.Proxy // by the region that they come from
	conns map[net.Conn]struct{}
	shut  bool
}

// openDoor opens a door for a node, at the host that the node's certificate names.
func (w *World) openDoor(n *Node) error {
	host, _, err := net.SplitHostPort(n.peer)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	n.door = &door{
		w: w, node: n, listener: l, ways: map[string]*faultproxy.Proxy{}, conns: map[net.Conn]struct{}{},
	}
	n.door.wait.Go(n.door.serve)
	return nil
}

// serve takes connections until the door is closed.
func (d *door) serve() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.wait.Go(func() { d.carry(conn) })
	}
}

// carry finds out where a connection comes from, and carries it to the node until one end ends it. Who can't be found out, such
// as one who has ended already, is turned away.
func (d *door) carry(from net.Conn) {
	if !d.keep(from) {
		return
	}
	defer d.drop(from)
	region := d.w.regionOf(from.RemoteAddr())
	target := d.node.peer
	switch {
	case region == "":
		return
	case region != d.node.f.o.region:
		way, err := d.way(region)
		if err != nil {
			return
		}
		target = way.Address()
	}
	to, err := net.Dial("tcp", target)
	if err != nil || !d.keep(to) {
		return
	}
	defer d.drop(to)
	var both sync.WaitGroup
	for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() { splice(ends[1], ends[0]) })
	}
	both.Wait()
}

// splice carries one direction. An end in order is passed on; a reset ends both directions.
func splice(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); err == nil && ok && half.CloseWrite() == nil {
		return
	}
	for _, c := range []net.Conn{to, from} {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

// way is the proxy that a region's connections to the node pass through.
func (d *door) way(from string) (*faultproxy.Proxy, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.ways[from]; p != nil {
		return p, nil
	}
	if d.shut {
		return nil, net.ErrClosed
	}
	p, err := faultproxy.Listen("127.0.0.1:0", d.node.peer, uint64(len(d.ways)))
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	p.SetWeather(faultproxy.Both, d.w.o.Distance)
	d.ways[from] = p
	return p, nil
}

// keep notes a connection, or closes it if the door is closed.
func (d *door) keep(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		_ = c.Close()
		return false
	}
	d.conns[c] = struct{}{}
	return true
}

func (d *door) drop(c net.Conn) {
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	_ = c.Close() // it has ended
}

// close ends all connections, and waits for what carries them.
func (d *door) close() error {
	d.mu.Lock()
	d.shut = true
	err := d.listener.Close()
	for c := range d.conns {
		_ = c.Close() // its carriers end with it
	}
	ways := d.ways
	d.mu.Unlock()
	for _, p := range ways {
		err = errors.Join(err, p.Close())
	}
	d.wait.Wait()
	return err
}
