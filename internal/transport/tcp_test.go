package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// duo is a sender "a" whose frames go through a proxy to "b", which counts them.
type duo struct {
	*world
	a    transport.Transport
	got  atomic.Int64
	hold func(frame []byte)
}

func newDuo(t *testing.T, change func(*transport.Options)) *duo {
	t.Helper()
	d := &duo{world: newWorld(t, transporttest.Limits{}, newAuthority(t, "shop").node(t, "127.0.0.1"))}
	d.change = change
	d.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: receiver(func(_ uint64, frame []byte) {
		if d.hold != nil {
			d.hold(frame)
		}
		d.got.Add(1)
	})})
	d.a = d.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: receiver(func(uint64, []byte) {})})
	d.a.SetPeer(2, d.Route("a", "b"))
	d.Until("a connection", func() bool { return !d.a.Stats()[0].Urgent.Connected.IsZero() })
	return d
}

func TestACutNetworkIsNoticed(t *testing.T) {
	for _, way := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down, faultproxy.Both} {
		d := newDuo(t, func(o *transport.Options) { o.Idle = 300 * time.Millisecond; o.Handshake = 200 * time.Millisecond })
		d.proxy("a", "b").Cut(way)
		// A greeting that was half over when the network was cut may still succeed once.
		d.Until(fmt.Sprintf("a cut of %v is noticed", way), func() bool {
			down := errors.Is(d.a.Send(2, []byte("x")), transport.ErrDown)
			s := d.a.Stats()[0]
			return down && s.Urgent.Connected.IsZero() && s.Urgent.QueuedFrames == 0 && s.LastError != ""
		})
		d.proxy("a", "b").Mend()
		before := d.got.Load()
		d.Until("a frame comes", func() bool { _ = d.a.Send(2, []byte("x")); return d.got.Load() > before })
	}
}

// patiently is for what fails as well where the machine stands still for longer than something is given: it's tried again with four
// times as much of everything, and again.
func patiently(t *testing.T, attempt func(times time.Duration) error) {
	t.Helper()
	var err error
	for times := time.Duration(1); times <= 16; times *= 4 {
		if err = attempt(times); err == nil {
			return
		}
		t.Logf("with %d times as much time: %v", times, err)
	}
	t.Error(err)
}

// TestAHandlerThatWaitsIsNoCut holds the handler for several times the idle time. The connection stays.
func TestAHandlerThatWaitsIsNoCut(t *testing.T) {
	patiently(t, func(times time.Duration) error {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		d := newDuo(t, func(o *transport.Options) { o.KeepAlive, o.Idle = 20*time.Millisecond, times*150*time.Millisecond })
		d.hold = func([]byte) { <-gate }
		if err := d.a.Send(2, []byte("x")); err != nil {
			return err
		}
		began := time.Now()
		d.Until("several idle times", func() bool { return time.Since(began) > times*500*time.Millisecond })
		if s := d.a.Stats()[0].Urgent; s.Connected.IsZero() || s.Connects != 1 {
			return fmt.Errorf("while the handler waits: %+v", s)
		}
		open()
		d.Until("the frame", func() bool { return d.got.Load() == 1 })
		return nil
	})
}

// TestASlowWayIsNoCut sends bulk frames over 4 MiB/s, each of which takes longer than the idle time. Urgent frames aren't
// held up by them.
func TestASlowWayIsNoCut(t *testing.T) {
	patiently(t, func(times time.Duration) error {
		d := newDuo(t, func(o *transport.Options) {
			o.MaxFrame, o.KeepAlive, o.Idle = 4<<20, 20*time.Millisecond, times*250*time.Millisecond
		})
		var urgent atomic.Int64
		d.hold = func(frame []byte) {
			if len(frame) == 1 {
				urgent.Add(1)
			}
		}
		d.proxy("a", "b").SetWeather(faultproxy.Up, faultproxy.Weather{BytesPerSecond: 4 << 20 / int(times)})
		for range 2 {
			if err := d.a.SendBulk(2, make([]byte, 2<<20)); err != nil {
				return err
			}
		}
		sent, lost := int64(0), false
		slowest := time.Duration(0)
		d.Until("the bulk frames", func() bool {
			s := d.a.Stats()[0]
			if lost = s.Bulk.Connects > 1 || s.Urgent.Connects > 1; lost || d.got.Load()-urgent.Load() == 2 {
				return true
			}
			began := time.Now()
			if d.a.Send(2, []byte("u")) == nil {
				sent++
			}
			d.Until("an urgent frame", func() bool { return urgent.Load() == sent || d.a.Stats()[0].Urgent.Connects > 1 })
			slowest = max(slowest, time.Since(began))
			return false
		})
		if lost {
			return fmt.Errorf("connections were given up: %+v", d.a.Stats()[0])
		}
		if slowest > times*400*time.Millisecond { // 500 ms is what one bulk frame takes
			return fmt.Errorf("an urgent frame took %v beside bulk ones", slowest)
		}
		return nil
	})
}

// TestWhoComesBackIsDialledAtOnce has long pauses: a peer that connects by itself ends them.
func TestWhoComesBackIsDialledAtOnce(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	w.change = func(o *transport.Options) { o.BackoffMin, o.BackoffMax = time.Hour, time.Hour }
	var got atomic.Int64
	count := receiver(func(uint64, []byte) { got.Add(1) })
	b := w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: count})
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: count})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	a.SetPeer(2, w.address["b"])
	w.Until("it is down", func() bool { return errors.Is(a.Send(2, []byte("x")), transport.ErrDown) })
	b = w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: count})
	b.SetPeer(1, w.address["a"])
	w.Until("a frame comes", func() bool { _ = a.Send(2, []byte("x")); return got.Load() > 0 })
}

// TestAWayThatOpensIsTold has an owner that wants to know when there is somebody at the other end, now and again.
func TestAWayThatOpensIsTold(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	opened := make(chan uint64, 16)
	w.change = func(o *transport.Options) { o.Connected = func(n uint64) { opened <- n } }
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}, Regions: true})
	w.change = nil
	for range 2 {
		b := w.Join("b", transporttest.Member{Identity: transporttest.Away(3, 2), Handler: quiet{t}, Regions: true})
		a.SetPeer(transport.Far(3, 2), w.address["b"])
		select {
		case n := <-opened:
			if n != transport.Far(3, 2) {
				t.Errorf("the way to %x has opened", n)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nobody said that the way has opened")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADeadProcessIsReplaced starts a second process of one number while the first one's connection hangs, as after
// a power failure. It is let in once the first has shown no sign of life.
func TestADeadProcessIsReplaced(t *testing.T) {
	d := newDuo(t, func(o *transport.Options) { o.Idle = 2 * time.Minute })
	if err := d.a.Send(2, []byte("x")); err != nil {
		t.Fatal(err)
	}
	d.Until("its frame", func() bool { return d.got.Load() == 1 })
	d.proxy("a", "b").Cut(faultproxy.Both) // the other end knows nothing of it for two minutes
	second := d.Join("second", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}})
	second.SetPeer(2, d.address["b"])
	began := time.Now()
	d.Until("the second one's frame", func() bool { _ = second.Send(2, []byte("y")); return d.got.Load() > 1 })
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestTooManyQuestionsAreRefused(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	w.change = func(o *transport.Options) { o.MaxAsks, o.AskTime = 1, 10*time.Second }
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: asking(func(context.Context) error {
		asked <- struct{}{}
		<-gate
		return nil
	})})
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Ask(t.Context(), w.address["b"], nil); err != nil {
			t.Errorf("the first question: %v", err)
		}
	})
	<-asked
	_, err := a.Ask(t.Context(), w.address["b"], nil)
	var why *transport.Refusal
	if !errors.As(err, &why) || why.Reason != transport.ReasonBusy {
		t.Errorf("the second question: %v", err)
	}
	close(gate)
	wg.Wait()
}

// TestAnAnswerHasItsTime has a handler that would wait for ever.
func TestAnAnswerHasItsTime(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	w.change = func(o *transport.Options) { o.AskTime = 50 * time.Millisecond }
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: asking(func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New(strings.Repeat("too late ", 1000))
	})})
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}})
	_, err := a.Ask(t.Context(), w.address["b"], nil)
	var failed *transport.AnswerError
	if !errors.As(err, &failed) || !strings.HasPrefix(failed.Text, "too late") || len(failed.Text) > 1024 {
		t.Errorf("the question: %v", err)
	}
}

// asking is a handler of questions.
type asking func(context.Context) error

func (f asking) Receive(uint64, []byte) {}

func (f asking) Answer(ctx context.Context, _ uint64, _ []byte) ([]byte, error) { return nil, f(ctx) }

// TestConnectionsAreBounded opens more than are allowed, none of which says anything.
func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	var log book
	w.change = func(o *transport.Options) { o.MaxConns, o.Handshake, o.Log = 3, 20*time.Second, log.logger() }
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: quiet{t}})
	for range 4 {
		conn, err := net.Dial("tcp", w.address["b"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	w.Until("the log says so", func() bool { return log.has("there are 3 connections already") })
}

// TestCloseEndsWhatHangs closes both ends while a writer is stuck, a greeting waits and a question is under way.
func TestCloseEndsWhatHangs(t *testing.T) {
	d := newDuo(t, func(o *transport.Options) { o.Idle, o.Handshake = time.Minute, time.Minute })
	d.proxy("a", "b").Cut(faultproxy.Both)
	for errors.Is(d.a.Send(2, make([]byte, 1<<20)), nil) {
	}
	d.a.SetPeer(3, d.Route("a", "b")) // its greeting hangs
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := d.a.Ask(t.Context(), d.Route("a", "b"), nil); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("the question: %v", err)
		}
	})
	d.Until("all three hang", func() bool { return d.proxy("a", "b").Stats().Accepted == 3 })
	began := time.Now()
	for _, name := range []string{"a", "b"} {
		if err := d.ends[name].Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("closing took %v", took)
	}
	wg.Wait()
}

// TestAnAddressThatIsChangedWhileDialling moves a peer away from an address at which greetings hang.
func TestAnAddressThatIsChangedWhileDialling(t *testing.T) {
	d := newDuo(t, func(o *transport.Options) { o.Handshake, o.Idle = time.Minute, 2*time.Minute })
	hung := d.proxy("x", "b")
	hung.Cut(faultproxy.Both)
	d.a.SetPeer(2, hung.Address())
	d.Until("it dials there", func() bool { return hung.Stats().Accepted > 0 })
	d.a.SetPeer(2, d.address["b"])
	d.Until("a frame comes", func() bool { _ = d.a.Send(2, []byte("x")); return d.got.Load() > 0 })
}

// TestAHungAttemptEndsWhenThePeerIsHeard: whoever connects is there, though what was dialled before it came still waits.
func TestAHungAttemptEndsWhenThePeerIsHeard(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	var got, dials atomic.Int64
	b := w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: receiver(func(uint64, []byte) { got.Add(1) })})
	w.change = func(o *transport.Options) {
		o.Handshake = time.Hour
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			switch dials.Add(1) {
			case 1:
				return nil, errors.New("nobody is there")
			case 2:
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: quiet{t}})
	a.SetPeer(2, w.address["b"])
	w.Until("an attempt begins that hangs", func() bool { return dials.Load() == 2 })
	began := time.Now()
	w.Until("it hangs for some time", func() bool { return time.Since(began) > 100*time.Millisecond })
	b.SetPeer(1, w.address["a"])
	w.Until("a frame comes", func() bool { _ = a.Send(2, []byte("x")); return got.Load() > 0 })
}

func TestWhatIsAdvertised(t *testing.T) {
	c := newAuthority(t, "shop").node(t, "127.0.0.1")
	for _, x := range []struct{ listen, advertise, want string }{
		{"127.0.0.1:0", "", "127.0.0.1:"},
		{"localhost:0", "", "localhost:"},
		{"127.0.0.1:0", "n1.example.org:7400", "n1.example.org:7400"},
		{"0.0.0.0:0", "n1.example.org:7400", "n1.example.org:7400"},
		{"0.0.0.0:0", "", ""},
		{":0", "", ""},
	} {
		end, err := transport.Listen(transport.Options{
			Listen: x.listen, Advertise: x.advertise, TLS: c, Identity: transporttest.Who(1), Handler: quiet{t},
		})
		if x.want == "" {
			if !errors.Is(err, fault.ErrInput) {
				t.Errorf("at %q: %v", x.listen, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := end.Address(); !strings.HasPrefix(got, x.want) || strings.HasSuffix(got, ":0") {
			t.Errorf("at %q, advertised %q: %q", x.listen, x.advertise, got)
		}
		end.Close()
	}
}
