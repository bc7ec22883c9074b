package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Forwarder passes requests on to a leader. Make one with [NewForwarder]; its methods may be called from any goroutine.
type Forwarder struct {
	plain *http.Transport // HTTP/1.1 in clear text; over TLS what the other end offers
	h2    *http.Transport // HTTP/2 in clear text
}

// forwardDial is how long a leader may take to accept a connection.
const forwardDial = 2 * time.Second

// NewForwarder makes a forwarder. The configuration is for leaders whose URL begins with https; nil trusts what the
// operating system trusts.
func NewForwarder(config *tls.Config) *Forwarder {
	dial := (&net.Dialer{Timeout: forwardDial}).DialContext
	plain := &http.Transport{
		DialContext: dial, TLSClientConfig: config, TLSHandshakeTimeout: forwardDial, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Transport{DialContext: dial, Protocols: protocols, IdleConnTimeout: time.Minute, DisableCompression: true}
	return &Forwarder{plain: plain, h2: h2}
}

// Close gives up idle connections. Call it when no request is under way any more.
func (f *Forwarder) Close() {
	f.plain.CloseIdleConnections()
	f.h2.CloseIdleConnections()
}

// unforwarded is a request that nobody else may be asked for in the caller's place: a signal that would count as often as
// it arrives. It is for the caller to decide whether it's sent again.
type unforwarded struct{ error }

func (e *unforwarded) Unwrap() error { return e.error }

// keepBody keeps what is read of the body of a request that may have to be passed on.
func (c *call) keepBody() {
	c.kept = &bytes.Buffer{}
	c.r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(c.r.Body, c.kept), c.r.Body}
}

// elsewhere reports whether err means that the leader is to be asked in the caller's place, and takes note of where.
func (c *call) elsewhere(err error) bool {
	s := c.server
	var not *fault.NotLeader
	var bare *unforwarded
	switch {
	case s.forward == nil, !refusedHere(err), !errors.As(err, &not), not.URL == "", errors.As(err, &bare):
		return false
	case c.r.Header.Get(headerForwarded) != "", c.w.status != 0:
		return false
	case c.kept == nil && c.body.count > 0:
		return false // a part of it is gone
	}
	c.leader = strings.TrimSuffix(not.URL, "/")
	return true
}

// Headers that belong to one connection, or to a check that was made here.
var notForwarded = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Transfer-Encoding",
	"Upgrade", "Trailer", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User", headerLeader,
}

// pass asks the leader in the caller's place and answers with what it says. It asks once: what isn't known afterwards is
// for the caller to find out, who has the lane.
func (s *Server) pass(c *call, e *endpoint) error {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	body, length := io.Reader(c.r.Body), c.r.ContentLength
	if c.kept != nil {
		if _, err := io.Copy(io.Discard, c.r.Body); err != nil {
			return readError(err)
		}
		body, length = bytes.NewReader(c.kept.Bytes()), int64(c.kept.Len())
	} else {
		defer c.endsWithServer()()
	}
	r, err := http.NewRequestWithContext(ctx, c.r.Method, c.leader+c.r.URL.RequestURI(), body)
	if err != nil {
		return fmt.Errorf("pass on: %w: %w", errInternal, err)
	}
	r.ContentLength, r.Header = length, c.r.Header.Clone()
	for _, name := range notForwarded {
		r.Header.Del(name)
	}
	r.Header.Set(headerForwarded, itoa(int64(s.group.Leader().Number)))
	r.Header.Set(headerRequestID, c.id)
	transport := s.forward.plain
	if c.r.ProtoMajor >= 2 && r.URL.Scheme == "http" {
		transport = s.forward.h2
	}
	if e.stream {
		c.fullDuplex()
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return unanswered(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read, or won't be
	if res.Header.Get(headerRequestID) != c.id {
		return fmt.Errorf("pass on: %w: %s answered %d, and isn't a server of ours", fault.ErrUnknown, c.leader, res.StatusCode)
	}
	if e.stream {
		return c.relayStream(res)
	}
	return c.relay(res)
}

// unanswered says what became of a request that the leader didn't answer.
func unanswered(err error) error {
	var dial *net.OpError
	var cert *tls.CertificateVerificationError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &cert) {
		return &told{errNoLeader, "the leader can't be reached from here; nothing was written"}
	}
	return fmt.Errorf("pass on: %w: %w", fault.ErrUnknown, err)
}

// maxRelayed bounds an answer that is passed back, far above what any of these has.
const maxRelayed = 64 << 20

// relay answers with what the leader answered, once all of it is here: until then the caller can be told that it isn't.
func (c *call) relay(res *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, maxRelayed))
	if err != nil {
		return unanswered(err)
	}
	c.relayed(res, data)
	c.relayHead(res)
	c.w.WriteHeader(res.StatusCode)
	_, _ = c.w.Write(data) // who went away can't be told
	c.relayTrailer(res)
	return nil
}

// relayed takes note of what became of the request, as far as the answer says it.
func (c *call) relayed(res *http.Response, data []byte) {
	if res.StatusCode < http.StatusBadRequest {
		return
	}
	var p struct{ Code string }
	if json.Unmarshal(data, &p) != nil || p.Code == "" {
		p.Code = "forwarded"
	}
	c.failed(p.Code, fmt.Errorf("the leader at %s answered %d", c.leader, res.StatusCode))
}

func (c *call) relayHead(res *http.Response) {
	h := c.w.Header()
	for name, values := range res.Header {
		switch name {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Date":
		case "Vary": // on what the leader's answer depends, and on what this server's leave to a page does
			for _, value := range values {
				if !slices.Contains(h[name], value) {
					h.Add(name, value)
				}
			}
		default:
			h[name] = values
		}
	}
}

func (c *call) relayTrailer(res *http.Response) {
	for name, values := range res.Trailer {
		c.w.Header()[http.TrailerPrefix+name] = values
	}
}

// relayStream answers with what the leader answers, piece by piece.
func (c *call) relayStream(res *http.Response) error {
	c.relayHead(res)
	c.w.WriteHeader(res.StatusCode)
	c.w.Flush()
	piece := make([]byte, 32<<10)
	for {
		n, err := res.Body.Read(piece)
		if n > 0 {
			// A caller who went away can't be told; their connection's end ends the leader's answer, too.
			_, _ = c.w.Write(piece[:n])
			c.w.Flush()
		}
		switch {
		case errors.Is(err, io.EOF):
			c.relayTrailer(res)
			return nil
		case err != nil:
			c.failed("unknown", fmt.Errorf("the leader at %s broke off: %w", c.leader, err))
			panic(http.ErrAbortHandler) // what was answered stands, and there is no more to be said
		}
	}
}
