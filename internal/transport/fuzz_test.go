package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// asks is a hello of class 3 by somebody without a number, as it travels.
func asks(t testing.TB) []byte {
	b := greetingOf(t, "")
	b = b[:len(b)-4]
	b[14] = 3
	for i := 15 + 16; i < 15+16+2+2+8+4+8; i++ { // region to the number that is looked for
		b[i] = 0
	}
	for i := 15; i < 15+16; i++ {
		b[i] = 0
	}
	return sealed(b)
}

// echoes answers with the question.
type echoes struct{}

func (echoes) Receive(uint64, []byte) {}

func (echoes) Answer(_ context.Context, _ uint64, request []byte) ([]byte, error) {
	return request, nil
}

func TestAQuestionByHand(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: echoes{}})
	conn, err := net.Dial("tcp", w.address["b"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(append(asks(t), frame(6, []byte("what?"))...)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 14+1+32+2+4+9+5)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if answer := frame(7, []byte("what?")); string(got[len(got)-len(answer):]) != string(answer) {
		t.Errorf("answer %x", got)
	}
}

// FuzzConnection writes any bytes to a port. Whatever they are, the connection ends, and the transport goes on.
func FuzzConnection(f *testing.F) {
	hello := greetingOf(f, "")
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(hello)
	f.Add(append(append([]byte{}, hello...), frame(1, []byte("data"))...))
	f.Add(append(append([]byte{}, hello...), frame(5, []byte{7, 'x'})...))
	f.Add(append(asks(f), frame(6, []byte("question"))...))
	f.Add(append(asks(f), frame(1, nil)...))
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0})
	w := newWorld(f, transporttest.Limits{MaxFrame: 1 << 16}, nil)
	w.change = func(o *transport.Options) { o.Handshake = 10 * time.Second }
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: echoes{}})
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: echoes{}})
	f.Fuzz(func(t *testing.T, b []byte) {
		conn, err := net.Dial("tcp", w.address["b"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write(b) // it may have been closed by then
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatalf("it isn't closed: %v", err)
			}
		}
		if answer, err := a.Ask(t.Context(), w.address["b"], []byte("q")); err != nil || string(answer) != "q" {
			t.Fatalf("afterwards: %q, %v", answer, err)
		}
	})
}
