package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// accept takes connections until the listener is closed.
func (t *TCP) accept() {
	for {
		raw, err := t.listener.Accept()
		if err != nil {
			if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Such as too many open files: others may give some back.
			t.warn("can't accept connections", t.listener.Addr().String(), err)
			select {
			case <-time.After(t.o.BackoffMin):
			case <-t.ctx.Done():
				return
			}
			continue
		}
		t.mu.Lock()
		full := len(t.socks) >= t.o.MaxConns
		if t.closed || full {
			t.mu.Unlock()
			_ = raw.Close()
			if full {
				t.warn("connection refused", host(raw), fmt.Errorf("there are %d connections already", t.o.MaxConns))
			}
			continue
		}
		t.socks[raw] = struct{}{}
		t.wg.Go(func() {
			t.take(raw)
			t.mu.Lock()
			delete(t.socks, raw)
			t.mu.Unlock()
			_ = raw.Close()
		})
		t.mu.Unlock()
	}
}

// host is where a connection comes from, without the port that changes each time.
func host(c net.Conn) string {
	a := c.RemoteAddr().String()
	if h, _, err := net.SplitHostPort(a); err == nil {
		return h
	}
	return a
}

// take greets whoever has connected, and serves them.
func (t *TCP) take(raw net.Conn) {
	w := &wire{Conn: raw}
	ctx, cancel := context.WithTimeout(t.ctx, t.o.Handshake)
	defer cancel()
	in, err := t.greeting(ctx, w)
	if err != nil {
		if t.ctx.Err() == nil {
			t.warn("connection refused", host(raw), err)
		}
		return
	}
	cancel()
	if in.class == asking {
		t.answer(in)
		return
	}
	t.setPeer(in.number, in.address, true)
	t.mu.Lock()
	if p := t.peers[in.number]; p != nil {
		for _, l := range p.links {
			l.heard()
		}
	}
	t.mu.Unlock()
	t.o.Log.Info("replica connected", logged(in.number), slog.String("class", in.class.String()),
		slog.String("address", raw.RemoteAddr().String()))
	err = in.serve()
	if t.ctx.Err() == nil {
		// Why it ended otherwise is known to whoever dialled, and dials again.
		if why := (*Refusal)(nil); errors.As(err, &why) {
			t.noted(in.number, err)
		}
		t.o.Log.Info("replica's connection ended", logged(in.number), slog.String("class", in.class.String()),
			slog.Any("why", err))
	}
}

// greeting reads a hello and answers it. What it returns without an error is welcome, has its claim, and was told so.
func (t *TCP) greeting(ctx context.Context, w *wire) (*inbound, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := w.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	conn, err := t.accepted(ctx, w)
	if err != nil {
		return nil, err
	}
	g, err := readGreeting(conn)
	if err != nil {
		if errors.Is(err, errTLS) {
			err = &Refusal{Reason: ReasonPlain, Text: "it speaks TLS, and this end without; give both certificates"}
			t.refuse(conn, err.(*Refusal)) //nolint:errorlint // it was made above
			w.linger()
			return nil, err
		}
		return nil, greeted(err)
	}
	if why := g.refusal(); why != nil {
		return nil, why
	}
	in, version, err := t.judge(ctx, &g, conn, w)
	if err != nil {
		var why *Refusal
		if errors.As(err, &why) {
			t.refuse(conn, why)
			w.linger()
		}
		return nil, err
	}
	reply := welcome{min: minVersion, max: maxVersion, version: version, here: t.o.Identity()}
	_, err = conn.Write(reply.append(nil))
	if err == nil {
		err = w.settle(t.o.Idle, false)
	}
	if err != nil {
		in.end()
		return nil, err
	}
	return in, nil
}

// judge decides whether whoever said hello may come in.
func (t *TCP) judge(ctx context.Context, g *greeting, conn net.Conn, w *wire) (*inbound, uint8, error) {
	version, why := choose(g)
	if why != nil {
		return nil, 0, why
	}
	h, err := g.hello()
	if err != nil {
		return nil, 0, greeted(err)
	}
	in := &inbound{
		t: t, conn: conn, w: w, from: h.from, class: h.class, process: h.process, address: h.address, done: make(chan struct{}),
	}
	here := t.o.Identity()
	in.number = h.from.SeenFrom(here.Region)
	if h.class == asking {
		if h.from.Cluster != [16]byte{} {
			why = Compare(h.from, here, 0, t.o.Regions)
		}
		if why != nil {
			return nil, 0, why
		}
		select {
		case t.asks <- struct{}{}:
			return in, version, nil
		default:
			return nil, 0, &Refusal{Reason: ReasonBusy, Text: fmt.Sprintf("%d questions are being answered; try again", cap(t.asks))}
		}
	}
	if h.to == 0 {
		return nil, 0, &Refusal{Reason: ReasonProtocol, Text: "it doesn't say which replica it looks for"}
	}
	if why = Compare(h.from, here, h.to, t.o.Regions); why == nil {
		why = in.admitted()
	}
	if why != nil {
		return nil, 0, t.andNoted(in.number, why)
	}
	if err := t.claim(ctx, in); err != nil {
		return nil, 0, t.andNoted(in.number, err)
	}
	return in, version, nil
}

// andNoted keeps an error with a peer, if the peer is known, and returns it.
func (t *TCP) andNoted(number uint64, err error) error {
	t.noted(number, err)
	return err
}

// refuse tells the other end why.
func (t *TCP) refuse(conn net.Conn, why *Refusal) {
	reply := welcome{min: minVersion, max: maxVersion, reason: why.Reason, here: t.o.Identity(), text: why.Text}
	_, _ = conn.Write(reply.append(nil)) // the connection ends in any case
}
