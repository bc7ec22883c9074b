package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/testport"
)

// TestThreeMembersOverSockets goes through TCP and TLS: three members, writes, the leader killed and back.
func TestThreeMembersOverSockets(t *testing.T) {
	f := newFleet(t)
	dir := t.TempDir()
	ca, err := certs.MakeCA("test", time.Now(), 2)
	if err == nil {
		err = ca.Write(dir, "ca")
	}
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{testport.Free(t), testport.Free(t), testport.Free(t)}
	configs := map[string]Config{}
	for i, address := range addresses {
		name := fmt.Sprint("n", i+1)
		node, err := certs.MakeNode(ca, name, []string{"127.0.0.1"}, time.Now(), 1)
		if err == nil {
			err = node.Write(dir, name)
		}
		if err != nil {
			t.Fatal(err)
		}
		at := func(file string) string { return filepath.Join(dir, file) }
		source, err := certs.Open(certs.Files{CA: at("ca.crt"), Certificate: at(name + ".crt"), Key: at(name + ".key")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := f.config(address, addresses[:i]...)
		c.network, c.TLS = nil, source.TLS()
		configs[address] = c
		f.run(c)
	}
	f.voters(3)
	for i := range uint64(30) {
		f.write(view("p", i+1, "x"))
	}
	f.same()
	f.counts("x", 30)

	killed, _ := f.leader()
	f.kill(killed)
	for i := range uint64(30) {
		f.write(view("q", i+1, "x"))
	}
	f.run(configs[killed])
	f.same()
	f.counts("x", 60)

	// Somebody with certificates of another authority isn't let in, and without any neither.
	stranger := f.config(testport.Free(t), addresses...)
	stranger.network, stranger.JoinTimeout = nil, time.Second
	if m, err := Start(stranger); err == nil {
		t.Error("somebody without a certificate has joined")
		_ = m.Close(t.Context())
	} else {
		t.Log(err)
	}
	if _, err := os.Stat(filepath.Join(stranger.Dir, "IDENTITY")); err == nil {
		t.Error("the stranger has an identity")
	}
}
