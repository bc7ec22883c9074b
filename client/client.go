package client

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Options say whom a client talks to, and how patiently. All but Addr or Addrs may be zero.
type Options struct {
	// Addr is where the server listens: "host:port", or "http://host:port/prefix" or "https://…". Addrs are further
	// addresses of the same database, which are tried in turn when the one in use can't be reached. Of a group of replicas
	// any one will do: the others are learned from it. They may be of several regions: that of the first address is used
	// as long as it serves, and then the next; of a region that isn't among them no server is turned to, but to write
	// where all others only follow.
	Addr  string
	Addrs []string
	// Key is the API key, empty if the server asks for none.
	Key string
	// Lane names the lane under which writes are numbered, up to 128 bytes. Empty draws one, which is right for everybody
	// who doesn't keep the numbers of writes beyond the end of the program; see [Client.Write].
	Lane string
	// Timeout is how long a call may take with all its tries, if its context doesn't end before; 0 is 10 seconds, less
	// than 0 is no bound.
	Timeout time.Duration
	// Attempt is how long the server may take to answer one try; 0 is 3 seconds.
	Attempt time.Duration
	// Reads says which of a group's servers answer reads; 0 is Nearest. Wherever they go, each sees no less than those before.
	Reads ReadFrom
	// Ack is how safe writes have to be when they are answered; 0 is AckQuorum. See [WithAck].
	Ack Ack
	// Compress asks for compressed answers, and compresses large requests. It is for slow networks: on fast ones it costs
	// more time than it saves.
	Compress bool
	// HTTP is used for requests; nil makes one that keeps up to 256 connections. Its own timeout should be 0: it would end
	// long exports.
	HTTP *http.Client
}

func (o Options) withDefaults() (Options, error) {
	if o.Addr != "" {
		o.Addrs = append([]string{o.Addr}, o.Addrs...)
	}
	if len(o.Addrs) == 0 {
		return o, fault.Refuse("addr", "is empty; it must be that of a server, such as localhost:7878")
	}
	if len(o.Lane) > maxLane {
		return o, fault.Refuse("lane", "has %d bytes, must have at most %d", len(o.Lane), maxLane)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Attempt <= 0 {
		o.Attempt = 3 * time.Second
	}
	return o, nil
}

// Client is a connection to a database. Its methods may be called from any goroutine.
type Client struct {
	opts  Options
	http  *http.Client
	own   bool // the http client is ours
	peers peers
	lane  string
	log   numbers
	begin chan struct{} // holds one token: who has it may find out where the lane goes on
	pause pauses

	mu     sync.Mutex
	begun  bool
	tokens tokens
}

// New makes a client. It sends nothing: that a server can't be reached is found by the first call.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opts: o, http: o.HTTP, lane: o.Lane, begin: make(chan struct{}, 1)}
	if c.http == nil {
		c.http, c.own = newHTTP(), true
	}
	if c.lane == "" {
		c.lane, c.begun = "client/"+crand.Text(), true // nobody else has it: its numbers begin at 1
	}
	c.log.next = 1
	var seed [16]byte
	_, _ = crand.Read(seed[:]) // never fails
	c.pause.rng = rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
	c.peers.connect = func(url string) *peer {
		p := &peer{url: url}
		p.api = tidalpbconnect.NewTidalClient(c.http, url, c.rpcOptions(p)...)
		return p
	}
	for _, addr := range o.Addrs {
		base, err := baseURL(addr)
		if err != nil {
			return nil, err
		}
		c.peers.add(base)
	}
	return c, nil
}

// Close gives up the client's idle connections. Calls under way go on.
func (c *Client) Close() {
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// newHTTP returns a client that keeps as many connections as there are calls under way. Protocol HTTP/2 is used over TLS
// if the server offers it; in clear text a connection carries one call at a time, which is faster than sharing one.
func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 256
	t.DisableCompression = true // package connect does it
	return &http.Client{Transport: t}
}

// maxAnswer is how many bytes an answer may have: a page of 10,000 entities with embeddings fits.
const maxAnswer = 256 << 20

func (c *Client) rpcOptions(p *peer) []connect.ClientOption {
	heard := func(h http.Header) { c.heard(p, h) }
	out := []connect.ClientOption{
		connect.WithInterceptors(headers{key: c.opts.Key, heard: heard}), connect.WithReadMaxBytes(maxAnswer),
	}
	if c.opts.Compress {
		return append(out, connect.WithSendGzip(), connect.WithCompressMinBytes(1024))
	}
	return append(out, connect.WithAcceptCompression("gzip", nil, nil))
}

// baseURL makes a URL of an address.
func baseURL(addr string) (string, error) {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	switch {
	case err != nil:
		return "", fault.Refuse("addr", "%q is no address: %v", addr, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fault.Refuse("addr", "%q begins with %q; it must be http or https", addr, u.Scheme)
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "", fault.Refuse("addr", "%q must be a host and a port, with a path at most", addr)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}
