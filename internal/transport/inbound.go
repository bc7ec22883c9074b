package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// inbound is a connection that somebody else has begun. One goroutine reads and calls the handler; while it does, another
// shows that the process lives.
type inbound struct {
	t       *TCP
	conn    net.Conn
	w       *wire
	from    Identity
	number  uint64 // by which it's meant here
	class   class
	process uint64
	address string
	done    chan struct{} // closed when no call of the handler runs any more
	frames  atomic.Uint64 // read, of any kind
	why     atomic.Pointer[Refusal]

	writing sync.Mutex
}

// admitted asks the transport's owner.
func (in *inbound) admitted() *Refusal {
	if in.t.o.Admit == nil {
		return nil
	}
	if err := in.t.o.Admit(in.from); err != nil {
		return &Refusal{Reason: ReasonNotAdmitted, Text: err.Error()}
	}
	return nil
}

// end lets the next connection of its class in.
func (in *inbound) end() {
	if in.class == asking {
		<-in.t.asks
	} else {
		in.t.release(in)
	}
	close(in.done)
}

// serve reads frames until the connection ends, and returns why.
func (in *inbound) serve() error {
	defer in.end()
	quiet := in.keep()
	err := in.read()
	var why *Refusal
	if refused := in.why.Load(); refused != nil {
		err = refused
	}
	if errors.As(err, &why) && !why.Remote {
		_ = in.write(kindBye, appendBye(why), in.t.o.Idle) // it ends anyway
		in.w.linger()
	}
	_ = in.w.Close()
	quiet()
	return err
}

// keep shows that the process lives, until the function that it returns is called.
func (in *inbound) keep() (quiet func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(in.t.o.KeepAlive)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if in.write(kindAlive, nil, in.t.o.Idle) != nil {
					_ = in.w.Close() // the reader says why
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// write sends one frame; the other end has this long to take it.
func (in *inbound) write(k kind, payload []byte, within time.Duration) error {
	in.writing.Lock()
	defer in.writing.Unlock()
	if err := in.w.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	h := header(k, payload)
	_, err := in.conn.Write(append(h[:], payload...))
	return err
}

func (in *inbound) read() error {
	r := bufio.NewReaderSize(in.conn, 64<<10)
	for {
		k, payload, err := readFrame(r, in.t.o.MaxFrame)
		if err != nil {
			return lost(err, in.t.o.Idle)
		}
		in.frames.Add(1)
		switch k {
		case kindData:
			in.t.counted(in.number, len(payload))
			in.t.o.Handler.Receive(in.number, payload)
		case kindPing:
			if err := in.write(kindPong, payload, in.t.o.Idle); err != nil {
				return err
			}
		case kindBye:
			return decodeBye(payload)
		default:
			return &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("a frame of kind %d came where it means nothing", k)}
		}
		if why := in.why.Load(); why != nil {
			return why
		}
	}
}

func (t *TCP) counted(from uint64, size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[from]; p != nil {
		p.gotFrames++
		p.gotBytes += uint64(size)
	}
}

// answer answers one question.
func (t *TCP) answer(in *inbound) {
	defer in.end()
	r := bufio.NewReader(in.conn)
	k, request, err := readFrame(r, t.o.MaxFrame)
	if err == nil && k != kindRequest {
		err = &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("a frame of kind %d came instead of a question", k)}
	}
	if err != nil {
		if why := (*Refusal)(nil); errors.As(err, &why) {
			_ = in.write(kindBye, appendBye(why), t.o.Idle) // it ends anyway
			in.w.linger()
		}
		t.warn("question refused", host(in.w), lost(err, t.o.Idle))
		return
	}
	in.w.idle = 0 // the asker waits in silence
	if in.w.SetReadDeadline(time.Now().Add(t.o.AskTime+lingering)) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.o.AskTime)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		_, _, _ = readFrame(r, 0) // nothing comes any more but the end
	}()
	quiet := in.keep()
	k = kindAnswer
	answer, err := t.o.Handler.Answer(ctx, in.number, request)
	if err == nil && len(answer) > t.o.MaxFrame {
		err = fmt.Errorf("the answer has %d bytes, at most %d: %w", len(answer), t.o.MaxFrame, ErrFrame)
	}
	if err != nil {
		k, answer = kindFailure, []byte(err.Error())
		answer = answer[:min(len(answer), maxText)]
	}
	if in.write(k, answer, t.o.AskTime) == nil {
		in.w.linger()
	}
	_ = in.w.Close()
	quiet()
	<-gone
}
