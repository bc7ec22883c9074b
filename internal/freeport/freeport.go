// Package freeport chooses addresses for servers that are named before they listen, or listen again after they ended:
//
//	address, err := freeport.At("127.0.0.1") // such as 127.0.0.1:23456
//
// A port that the kernel chose and that was let go is soon chosen by it again, for another server, also one that listens at all
// of the machine's addresses, or for the near end of a connection. These are ports that it doesn't choose by itself. Nothing
// holds them: two who ask at the same moment get the same one once in some thousands of times. Who can listen at port 0 and ask
// where, does.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports that are chosen from: below them are well-known ones, above them those that kernels choose by themselves.
const (
	lowest = 12_000
	behind = 32_000
)

// At returns an address of a host of this machine at which nobody listens.
func At(host string) (string, error) {
	var err error
	for range 1000 {
		address := net.JoinHostPort(host, strconv.Itoa(lowest+rand.IntN(behind-lowest)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close() // there was nothing to lose
			return address, nil
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
