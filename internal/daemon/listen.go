package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/fault"
)

// maxHeader bounds the headers of a request: 64 KiB.
const maxHeader = 64 << 10

// streamsPerConnection bounds the requests of one HTTP/2 connection at the same time.
const streamsPerConnection = 250

// admit decides who may come without a key, and refuses to listen where everybody who can reach the port could do
// everything. Nothing is opened yet.
func (d *daemon) admit(c *config.Config) error {
	addr, err := net.ResolveTCPAddr("tcp", c.Listen)
	if err != nil {
		return fault.Refuse("listen", "%q is no address: %v", c.Listen, err)
	}
	d.local = addr.IP.IsLoopback()
	if !d.local && d.ring.Usable(d.o.Now()) == 0 && !c.InsecureListen && !c.RequireKeys {
		return fault.Refuse("listen", "%s can be reached from other machines, and there is no API key: make one with "+
			"`tidal keys create`, or pass --insecure-listen, which makes everybody an administrator", c.Listen)
	}
	d.address, d.gate.Open = addr, !c.RequireKeys && (d.local || c.InsecureListen)
	if !d.local && c.TLSCert == "" {
		d.o.Log.Warn("listening beyond this machine without TLS: keys and data can be read on the way, unless a proxy encrypts")
	}
	if !d.local && d.gate.Unlocked() {
		d.o.Log.Warn("listening beyond this machine without API keys: everybody is an administrator")
	}
	return nil
}

// listen takes the port.
func (d *daemon) listen(c *config.Config) error {
	l, err := net.ListenTCP("tcp", d.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	d.listener = newLimited(l, c.MaxConnections)
	return nil
}

// serve begins to answer, on a goroutine that close waits for.
func (d *daemon) serve() {
	c := &d.config.Config
	base, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(d.tls == nil)
	d.http = &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.front.Load()).ServeHTTP(w, r) }),
		Protocols: protocols, MaxHeaderBytes: maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streamsPerConnection},
		ReadHeaderTimeout: c.HeaderTimeout, IdleTimeout: c.IdleTimeout,
		BaseContext: func(net.Listener) context.Context { return base },
		ConnState:   d.connState,
		ErrorLog:    quiet(d.o.Log),
	}
	d.served = make(chan error, 1)
	go func() {
		if d.tls == nil {
			d.served <- d.http.Serve(d.listener)
			return
		}
		d.http.TLSConfig = d.tls.config()
		d.served <- d.http.ServeTLS(d.listener, "", "")
	}()
}

func (d *daemon) connState(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		d.metrics.Connections(1)
	case http.StateClosed, http.StateHijacked:
		d.metrics.Connections(-1)
	}
}

// limited is a listener that accepts the next connection only when fewer than a number of them are open. Those that
// wait do so in the kernel, where they cost little.
type limited struct {
	net.Listener
	room  chan struct{}
	done  chan struct{}
	close sync.Once
}

func newLimited(l net.Listener, most int) net.Listener {
	return &limited{Listener: l, room: make(chan struct{}, most), done: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: conn, leave: func() { <-l.room }}, nil
}

func (l *limited) Close() error {
	l.close.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// counted is a connection that gives its place up when it's closed.
type counted struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}
