package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
)

// begin dials, shakes hands and exchanges greetings. The context bounds it all.
func (t *TCP) begin(ctx context.Context, address string, c class, to uint64) (net.Conn, *wire, error) {
	here := t.o.Identity()
	if c != asking && here.Replica == 0 {
		return nil, nil, &Refusal{Reason: ReasonNotYet, Text: "this replica has no number yet, and sends nothing"}
	}
	dial := t.o.Dial
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	raw, err := dial(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: raw}
	conn, err := t.greet(ctx, w, address, hello{
		min: minVersion, max: maxVersion, class: c, from: here, to: to, process: t.process, address: t.Address(),
	})
	if err != nil {
		_ = w.Close()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("it was dialled, and didn't answer in time: %w", err)
		}
		return nil, nil, err
	}
	return conn, w, nil
}

// greet is begin from where the socket stands.
func (t *TCP) greet(ctx context.Context, w *wire, address string, h hello) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := w.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = w.Close() })()
	conn, err := t.dialled(ctx, w, address)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(h.append(nil)); err != nil {
		return nil, greeted(err)
	}
	g, err := readGreeting(conn)
	if err != nil {
		return nil, greeted(err)
	}
	reply, err := g.welcome()
	if err != nil {
		return nil, greeted(err)
	}
	if why := g.refusal(); why != nil {
		return nil, why
	}
	var why *Refusal
	switch {
	case reply.version < minVersion || reply.version > maxVersion:
		_, why = choose(&g)
	case h.class != asking:
		why = Compare(h.from, reply.here, h.to, t.o.Regions)
	case h.from.Cluster != [16]byte{}:
		why = Compare(h.from, reply.here, 0, t.o.Regions)
	}
	if why != nil {
		_ = writeFrame(conn, kindBye, appendBye(why)) // it ends anyway
		w.linger()
		return nil, why
	}
	return conn, w.settle(t.o.Idle, h.class != asking)
}

// greeted says for people why a greeting failed.
func greeted(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errTLS):
		return &Refusal{Reason: ReasonPlain, Text: "the other end speaks TLS, and this end without; give both certificates"}
	case errors.Is(err, errNotOurs), errors.Is(err, errDamaged):
		return &Refusal{Reason: ReasonProtocol, Text: err.Error() + "; is it the port of a replica?"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no greeting came in time: %w", err)
	}
	return fmt.Errorf("greet: %w", explain(noEnd(err)))
}

// Ask sends a request on a connection of its own, and returns the answer.
func (t *TCP) Ask(ctx context.Context, address string, request []byte) ([]byte, error) {
	if len(request) > t.o.MaxFrame {
		return nil, fmt.Errorf("ask %s: %d bytes, at most %d: %w", address, len(request), t.o.MaxFrame, ErrFrame)
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, ErrClosed
	}
	t.wg.Add(1)
	t.mu.Unlock()
	defer t.wg.Done()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	answer, err := t.ask(inner, address, request)
	var failed *AnswerError
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask %s: %w", address, ctx.Err())
	case t.ctx.Err() != nil:
		return nil, ErrClosed
	case errors.As(err, &failed):
		return nil, err
	}
	return nil, fmt.Errorf("ask %s: %w", address, err)
}

func (t *TCP) ask(ctx context.Context, address string, request []byte) ([]byte, error) {
	greeting, cancel := context.WithTimeout(ctx, t.o.Handshake)
	defer cancel()
	conn, w, err := t.begin(greeting, address, asking, 0)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = w.Close() })()
	defer func() { _ = conn.Close() }() // the answer is here, or none comes
	writeErr := writeFrame(conn, kindRequest, request)
	r := bufio.NewReader(conn)
	for {
		k, payload, err := readFrame(r, t.o.MaxFrame)
		switch {
		case err != nil && writeErr != nil:
			return nil, writeErr
		case err != nil:
			return nil, lost(err, t.o.Idle)
		case k == kindAlive:
		case k == kindAnswer:
			return payload, nil
		case k == kindFailure:
			return nil, &AnswerError{Text: string(payload)}
		case k == kindBye:
			return nil, decodeBye(payload)
		default:
			return nil, &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("a frame of kind %d came instead of an answer", k)}
		}
	}
}
