package fleet

import (
	"net"
	"os"
	"testing"
)

// A connection's other end is found by the address that it has here.
func TestWhoseASocketIs(t *testing.T) {
	if err := Worlds(); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp", loopback(0)+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	w := &World{pids: map[int]string{os.Getppid(): "elsewhere"}}
	if got := w.regionOf(accepted.RemoteAddr()); got != "" {
		t.Errorf("it's taken for a connection of %q", got)
	}
	w.runs(os.Getpid(), "here")
	if got := w.regionOf(accepted.RemoteAddr()); got != "here" {
		t.Errorf("it's taken for a connection of %q", got)
	}
	w.ended(os.Getpid())
	if got := w.regionOf(accepted.RemoteAddr()); got != "" {
		t.Errorf("behind its process's end it's taken for one of %q", got)
	}
	if err := dialled.Close(); err != nil {
		t.Fatal(err)
	}
}
