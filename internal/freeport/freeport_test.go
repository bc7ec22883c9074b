package freeport_test

import (
	"net"
	"testing"

	"github.com/tidaldb/tidal/internal/freeport"
)

// Somebody can listen there, though others listen at ports that the kernel chose for all addresses.
func TestSomebodyCanListenThere(t *testing.T) {
	for range 50 {
		address, err := freeport.At("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		all, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		defer all.Close()
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // so that none is chosen twice
	}
}

func TestAHostThatIsElsewhere(t *testing.T) {
	if address, err := freeport.At("192.0.2.1"); err == nil {
		t.Errorf("%s is free on a machine that it isn't of", address)
	}
}
