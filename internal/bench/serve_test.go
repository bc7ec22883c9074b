package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What falls due does so at its rate, in the order of time, whoever asks when.
func TestAScheduleKeepsItsRates(t *testing.T) {
	s := newSchedule(2*time.Second, 1000, 156.25, 0)
	var n [tasks]int
	last := s.began
	for {
		x, due, ok := s.next()
		if !ok {
			break
		}
		if due.Before(last) || due.Before(s.began) || due.Sub(s.began) >= 2*time.Second {
			t.Fatalf("task %d is due %v after the beginning, behind one at %v", x, due.Sub(s.began), last.Sub(s.began))
		}
		last = due
		n[x]++
	}
	if n[asksList] < 1999 || n[asksList] > 2000 || n[sendsSignals] < 312 || n[sendsSignals] > 313 || n[reacts] != 0 {
		t.Errorf("%d lists, %d requests, %d reactions fell due", n[asksList], n[sendsSignals], n[reacts])
	}
}

func TestServeRefusesWhatCantBeMeasured(t *testing.T) {
	good := ServeOptions{Items: 1000, Users: 100, Connections: 1, Rate: 1, Signals: 1, Seconds: 1, List: "for_you"}
	for name, spoil := range map[string]func(*ServeOptions){
		"few items":       func(o *ServeOptions) { o.Items = 10 },
		"no connection":   func(o *ServeOptions) { o.Connections = 0 },
		"no rate":         func(o *ServeOptions) { o.Rate = 0 },
		"no signals":      func(o *ServeOptions) { o.Signals = 0 },
		"no time":         func(o *ServeOptions) { o.Seconds = 0 },
		"no list":         func(o *ServeOptions) { o.List = "nothing" },
		"nobody's list":   func(o *ServeOptions) { o.List = "trending" },
		"about an item":   func(o *ServeOptions) { o.List = "related" },
		"with a category": func(o *ServeOptions) { o.List = "new_filtered" },
	} {
		o := good
		spoil(&o)
		if _, err := Serve(t.Context(), o); err == nil {
			t.Errorf("%s: it is measured", name)
		}
	}
}

// A server that doesn't come up says why.
func TestAServerThatEndsIsReported(t *testing.T) {
	e := Env{Program: func(ctx context.Context, args ...string) (*exec.Cmd, error) {
		return exec.CommandContext(ctx, "sh", "-c", "echo the port is taken >&2; exit 3"), nil
	}}
	_, err := startServer(t.Context(), &e)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("%v", err)
	}
}

func TestTheTailIsKept(t *testing.T) {
	var x tail
	for range 1000 {
		if _, err := x.Write([]byte("0123456789\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := x.String(); len(got) > mostTail || !strings.HasSuffix(got, "789") {
		t.Errorf("%d bytes are kept", len(got))
	}
	if _, err := os.Stat("/proc/self/status"); err == nil && residentOf(os.Getpid()) < 1<<20 {
		t.Errorf("this process has %d bytes", residentOf(os.Getpid()))
	}
}
