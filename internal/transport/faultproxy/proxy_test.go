package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/testport"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server behind a proxy: it keeps what it gets, and says "hello" at once to everybody.
type world struct {
	t      *testing.T
	proxy  *faultproxy.Proxy
	mu     sync.Mutex
	got    bytes.Buffer
	ended  int
	server net.Listener
}

func start(t *testing.T) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: l}
	if w.proxy, err = faultproxy.Listen("127.0.0.1:0", l.Addr().String(), testseed.Of(t)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		w.proxy.Close()
		l.Close()
		wg.Wait()
	})
	return w
}

func (w *world) serve(conn net.Conn) {
	defer conn.Close()
	_, _ = conn.Write([]byte("hello"))
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		w.mu.Lock()
		w.got.Write(buf[:n])
		if err != nil {
			w.ended++
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.proxy.Address())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// broken begins a connection and returns what it ends with, which may be known before it has begun.
func (w *world) broken() error {
	conn, err := net.Dial("tcp", w.proxy.Address())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, err = conn.Read(make([]byte, 1))
	return err
}

func (w *world) received() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got.Len()
}

func (w *world) eventually(what string, f func() bool) {
	w.t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("%s: it didn't happen; %+v", what, w.proxy.Stats())
		}
	}
}

func (w *world) greeted(conn net.Conn) {
	w.t.Helper()
	b := make([]byte, 5)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
		w.t.Fatalf("greeted with %q, %v", b, err)
	}
}

func TestBytesAreCarriedAsTheyAre(t *testing.T) {
	w := start(t)
	conn := w.dial()
	w.greeted(conn)
	sent := make([]byte, 5<<20)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(sent)
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the end", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.ended == 1 })
	if !bytes.Equal(w.got.Bytes(), sent) {
		t.Errorf("of %d bytes %d came, or others", len(sent), w.got.Len())
	}
	w.eventually("no connection left", func() bool { return w.proxy.Stats().Open == 0 })
	if s := w.proxy.Stats(); s.Accepted != 1 || s.UpBytes != int64(len(sent)) || s.DownBytes != 5 || s.UpHeld+s.DownHeld != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestACutDirectionHoldsAndTheOtherGoesOn(t *testing.T) {
	w := start(t)
	conn := w.dial()
	w.greeted(conn)
	w.proxy.Cut(faultproxy.Up)
	_, _ = conn.Write(make([]byte, 1000))
	w.eventually("the bytes are held", func() bool { return w.proxy.Stats().UpHeld == 1000 })
	if w.received() != 0 {
		t.Error("bytes came through a cut")
	}
	w.proxy.Mend()
	w.eventually("the bytes come", func() bool { return w.received() == 1000 })

	w.proxy.Cut(faultproxy.Down)
	_, _ = conn.Write(make([]byte, 500))
	w.eventually("bytes go up while down is cut", func() bool { return w.received() == 1500 })

	// A connection that begins under a cut begins when it ends.
	late := w.dial()
	w.proxy.Mend()
	w.greeted(late)
}

func TestDelaysAndBandwidthTakeTime(t *testing.T) {
	w := start(t)
	w.proxy.SetWeather(faultproxy.Down, faultproxy.Weather{Delay: 60 * time.Millisecond, Jitter: 10 * time.Millisecond})
	began := time.Now()
	conn := w.dial()
	w.greeted(conn)
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("a greeting that travels 60 ms was here after %v", took)
	}
	w.proxy.SetWeather(faultproxy.Up, faultproxy.Weather{BytesPerSecond: 1 << 20})
	began = time.Now()
	_, _ = conn.Write(make([]byte, 256<<10))
	w.eventually("a quarter of a second's bytes", func() bool { return w.received() == 256<<10 })
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("256 KiB at 1 MiB/s took %v", took)
	}
	w.proxy.SetWeather(faultproxy.Both, faultproxy.Weather{Stall: 1, StallTime: 70 * time.Millisecond})
	began = time.Now()
	_, _ = conn.Write([]byte("x"))
	w.eventually("the late byte", func() bool { return w.received() == 256<<10+1 })
	if took := time.Since(began); took < 70*time.Millisecond {
		t.Errorf("a packet that was lost once came after %v", took)
	}
}

func TestWeatherIsChangedUnderWhatWaits(t *testing.T) {
	w := start(t)
	w.proxy.SetWeather(faultproxy.Down, faultproxy.Weather{Delay: time.Hour})
	conn := w.dial()
	w.eventually("the greeting waits", func() bool { return w.proxy.Stats().DownHeld == 5 })
	w.proxy.SetWeather(faultproxy.Down, faultproxy.Weather{})
	w.greeted(conn)
}

func TestResetAndRefuse(t *testing.T) {
	w := start(t)
	conn := w.dial()
	w.greeted(conn)
	w.proxy.Reset()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	w.proxy.Refuse(true)
	if err := w.broken(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a refused connection: %v", err)
	}
	w.proxy.Refuse(false)
	w.greeted(w.dial())
}

func TestNobodyAtTheTargetIsAReset(t *testing.T) {
	w := start(t)
	w.proxy.SetTarget(testport.Free(t))
	if err := w.broken(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("nobody at the target: %v", err)
	}
}

// TestCloseEndsWhatWaits closes a proxy that holds bytes, has a connection that didn't begin, and a full direction.
func TestCloseEndsWhatWaits(t *testing.T) {
	w := start(t)
	conn := w.dial()
	w.greeted(conn)
	w.proxy.Cut(faultproxy.Both)
	w.dial()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = conn.Write(make([]byte, 64<<20)) })
	w.eventually("much is held", func() bool { return w.proxy.Stats().UpHeld >= 256<<10 })
	if err := w.proxy.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
