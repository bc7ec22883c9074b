package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// scripted is a server that answers writes and lists as a test says, in the test's own time.
type scripted struct {
	tidalpbconnect.UnimplementedTidalHandler
	write func(try int, r *tidalpb.WriteRequest) error
	rank  func(try int) error
	at    []time.Time // of tries
	seen  []*tidalpb.WriteRequest
}

func (s *scripted) Write(_ context.Context, r *tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
	s.at, s.seen = append(s.at, time.Now()), append(s.seen, r)
	if err := s.write(len(s.at), r); err != nil {
		return nil, err
	}
	return &tidalpb.WriteResponse{Receipt: &tidalpb.Receipt{Position: "1:0.1:7", Count: 1, Token: "t7"}}, nil
}

func (s *scripted) Rank(context.Context, *tidalpb.RankRequest) (*tidalpb.RankResponse, error) {
	s.at = append(s.at, time.Now())
	return &tidalpb.RankResponse{}, s.rank(len(s.at))
}

// RoundTrip has a request answered without a network.
func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	_, h := tidalpbconnect.NewTidalHandler(s)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), r.Context().Err()
}

// with returns a client of it.
func (s *scripted) with(t *testing.T, o Options) *Client {
	t.Helper()
	o.Addr, o.HTTP = "tidal.invalid", &http.Client{Transport: s}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problem is an error as a server sends it.
func problem(code connect.Code, word string, after time.Duration) error {
	err := connect.NewError(code, errors.New(word))
	d, _ := connect.NewErrorDetail(&tidalpb.Problem{Code: word, Detail: word, RetryAfterMs: after.Milliseconds(), RequestId: "r1"})
	err.AddDetail(d)
	return err
}

func TestPausesGrowAndHonourTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{write: func(try int, _ *tidalpb.WriteRequest) error {
			switch {
			case try <= 6:
				return problem(connect.CodeResourceExhausted, "overloaded", time.Millisecond)
			case try == 7:
				return problem(connect.CodeUnavailable, "closed", 5*time.Second)
			}
			return nil
		}}
		r, err := s.with(t, Options{Timeout: time.Minute}).Signal(t.Context(), Signal{Type: "like", Item: "i"})
		if err != nil || r.Number != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i := range 6 {
			pause, most := s.at[i+1].Sub(s.at[i]), firstPause<<i
			if pause < most/2 || pause > most {
				t.Errorf("pause %d is %v, must be %v to %v", i+1, pause, most/2, most)
			}
		}
		if pause := s.at[7].Sub(s.at[6]); pause != 5*time.Second {
			t.Errorf("the server asked for 5s, the client waited %v", pause)
		}
		for _, r := range s.seen {
			if r.GetLane() == "" || r.GetNumber() != 1 {
				t.Errorf("a try went under %q, %d", r.GetLane(), r.GetNumber())
			}
		}
	})
}

func TestPausesHaveAnUpperBound(t *testing.T) {
	c := (&scripted{}).with(t, Options{})
	for _, try := range []int{8, 9, 30, 64, 1000} {
		if p := c.pause.before(try); p < longestPause/2 || p > longestPause {
			t.Errorf("the pause before try %d is %v", try, p)
		}
	}
}

// A call ends when it is known that its time won't do, not when it's over.
func TestACallThatCantBeInTimeEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{rank: func(int) error { return problem(connect.CodeResourceExhausted, "busy", time.Hour) }}
		began := time.Now()
		_, err := s.with(t, Options{}).Rank(t.Context(), Query{})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrOverloaded) || e.RetryAfter != time.Hour || e.Tries != 1 {
			t.Errorf("%#v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// What a write fails with promises nothing that isn't so.
func TestAWriteThatMayHaveArrivedIsUnknown(t *testing.T) {
	unknown := problem(connect.CodeDeadlineExceeded, "unknown", time.Millisecond)
	busy := problem(connect.CodeResourceExhausted, "overloaded", time.Millisecond)
	refused := problem(connect.CodeInvalidArgument, "refused", 0)
	for name, x := range map[string]struct {
		tries []error // the last one again and again
		want  error
		not   error
	}{
		"overloaded to the end":           {[]error{busy}, ErrOverloaded, ErrUnknown},
		"unknown to the end":              {[]error{unknown}, ErrUnknown, ErrOverloaded},
		"unknown once, then overloaded":   {[]error{unknown, busy}, ErrUnknown, ErrOverloaded},
		"refused":                         {[]error{refused}, ErrInput, ErrUnknown},
		"unknown once, then refused":      {[]error{unknown, refused}, ErrInput, ErrUnknown},
		"unknown once, then the key goes": {[]error{unknown, problem(connect.CodeUnauthenticated, "bad_key", 0)}, ErrUnknown, ErrUnauthenticated},
		"a code of a newer server":        {[]error{problem(connect.CodeInternal, "something_new", 0)}, ErrUnknown, ErrInput},
		"a proxy without a server":        {[]error{connect.NewError(connect.CodeUnavailable, errors.New("bad gateway"))}, ErrUnknown, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{write: func(try int, _ *tidalpb.WriteRequest) error { return x.tries[min(try, len(x.tries))-1] }}
				_, err := s.with(t, Options{Timeout: time.Second}).Signal(t.Context(), Signal{Type: "like", Item: "i"})
				if !errors.Is(err, x.want) || errors.Is(err, x.not) {
					t.Errorf("%v: is %v %v, is %v %v", err, x.want, errors.Is(err, x.want), x.not, errors.Is(err, x.not))
				}
			})
		})
	}
}

// A server that nobody listens for: nothing was sent, so nothing is unknown, and the next address is tried.
func TestTheNextAddressIsUsed(t *testing.T) {
	dead := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	s := &scripted{write: func(int, *tidalpb.WriteRequest) error { return nil }}
	var hosts []string
	c, err := New(Options{Addrs: []string{"a", "b", "c"}, HTTP: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		if r.URL.Host != "c" {
			return nil, dead
		}
		return s.RoundTrip(r)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(hosts); got != "[a b c c]" {
		t.Errorf("asked were %s", got)
	}

	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{Addr: "a", Timeout: time.Second, HTTP: &http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			return nil, dead
		})}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Signal(t.Context(), Signal{Type: "like", Item: "i"})
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Answers overtake each other; the token kept is that of the write which stands last in the log.
func TestTheNewestTokenIsKept(t *testing.T) {
	c := (&scripted{}).with(t, Options{})
	for _, x := range []struct{ position, token, want string }{
		{"1:0.1:7", "t7", "t7"},
		{"1:0.1:9", "t9", "t9"},
		{"1:0.1:8", "t8", "t9"},
		{"1:0.1:8", "", "t9"},
		{"1:0.2:1", "new incarnation", "new incarnation"},
	} {
		c.saw(x.token, positionOf(x.position))
		if got := c.Token(); got != x.want {
			t.Errorf("behind %s the token is %q, not %q", x.position, got, x.want)
		}
	}
	ctx := WithToken(t.Context(), "theirs")
	if got := c.tokenOf(ctx); got != "theirs" {
		t.Errorf("a read sends %q", got)
	}
}

// Trace and key are sent with each call.
func TestHeaders(t *testing.T) {
	s := &scripted{rank: func(int) error { return nil }}
	var got http.Header
	c, err := New(Options{Addr: "a", Key: "tdl_x_y", HTTP: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return s.RoundTrip(r)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if _, err := c.Rank(WithTrace(t.Context(), trace), Query{}); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "Bearer tdl_x_y" || got.Get("Traceparent") != trace || got.Get("Accept-Encoding") == "gzip" {
		t.Errorf("%v", got)
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for addr, want := range map[string]string{
		"localhost:7878": "http://localhost:7878", "https://x/tidal/": "https://x/tidal", "http://[::1]:1": "http://[::1]:1",
		"": "", "ftp://x": "", "http://": "", "http://u:p@x": "", "x?y=z": "", "http://%zz": "",
	} {
		got, err := baseURL(addr)
		if got != want || (want == "") != errors.Is(err, ErrInput) {
			t.Errorf("%q: %q, %v", addr, got, err)
		}
	}
	if _, err := New(Options{}); !errors.Is(err, ErrInput) {
		t.Errorf("a client of no server: %v", err)
	}
}
