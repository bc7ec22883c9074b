package fleet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Whose a connection is: all processes of this machine reach one another from the same address, so the kernel is asked which
// process has the socket.

// Worlds reports why no world can be run on this machine, nil if one can.
func Worlds() error {
	if _, err := os.Stat("/proc/self/net/tcp"); err != nil {
		return fmt.Errorf("which process a connection comes from is read in /proc, which isn't here: %w", err)
	}
	return nil
}

// socketAt returns the kernel's number of the socket that has a local TCP address, "" if none has.
func socketAt(a *net.TCPAddr) (string, error) {
	ip := a.IP.To4()
	if ip == nil {
		return "", errors.New("it's no IPv4 address")
	}
	want := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip), a.Port)
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == want && fields[9] != "0" {
			return fields[9], nil
		}
	}
	return "", nil
}

// hasSocket reports whether a process has a socket open.
func hasSocket(pid int, socket string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	files, err := os.ReadDir(dir)
	if err != nil {
		return false // it has ended
	}
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && to == "socket:["+socket+"]" {
			return true
		}
	}
	return false
}

// regionOf returns the region whose process has the other end of a connection, "" if none has it any more.
func (w *World) regionOf(a net.Addr) string {
	at, ok := a.(*net.TCPAddr)
	if !ok {
		return ""
	}
	socket, err := socketAt(at)
	if err != nil || socket == "" {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for pid, region := range w.pids {
		if hasSocket(pid, socket) {
			return region
		}
	}
	return ""
}
