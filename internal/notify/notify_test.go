package notify_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/notify"
)

func TestWhatIsSaidArrives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	for _, name := range []string{path, "@tidal-test-" + filepath.Base(filepath.Dir(filepath.Dir(path)))} {
		addr := &net.UnixAddr{Name: name, Net: "unixgram"}
		manager, err := net.ListenUnixgram("unixgram", addr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := notify.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Send(notify.Ready, notify.Status("a\nb")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		got, err := manager.Read(b)
		if want := "READY=1\nSTATUS=a b"; err != nil || string(b[:got]) != want {
			t.Errorf("%s: %q, want %q (%v)", name, b[:got], want, err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := n.Send(notify.Alive); err == nil {
			t.Error("something is sent over a closed connection")
		}
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWithoutAManagerNothingIsSaid(t *testing.T) {
	n, err := notify.Open("")
	if n != nil || err != nil {
		t.Fatalf("%v %v", n, err)
	}
	if err := n.Send(notify.Ready); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := notify.Open(filepath.Join(t.TempDir(), "nobody")); err == nil {
		t.Error("a socket that isn't there is opened")
	}
}

func TestTheWatchdogIsFedTwiceAsOftenAsItAsks(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		bad       bool
	}{
		{"", "", 0, false},
		{"30000000", "", 15 * time.Second, false},
		{"30000000", "7", 15 * time.Second, false},
		{"30000000", "8", 0, false},
		{"often", "", 0, true},
		{"0", "", 0, true},
		{"99999999999999", "", 0, true},
	} {
		got, err := notify.Watchdog(c.usec, c.pid, 7)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%+v: %s %v", c, got, err)
		}
	}
}
