package testport_test

import (
	"net"
	"testing"

	"github.com/tidaldb/tidal/internal/testport"
)

func TestSomebodyCanListenThere(t *testing.T) {
	for range 50 {
		l, err := net.Listen("tcp", testport.Free(t))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // so that none is chosen twice
	}
}
