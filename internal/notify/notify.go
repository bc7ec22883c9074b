// Package notify tells systemd how a service is: ready, stopping, alive.
//
//	n, err := notify.Open(os.Getenv("NOTIFY_SOCKET"))
//	err = n.Send(notify.Ready)
//
// It is the protocol of sd_notify(3): a datagram of lines to a socket that the variable NOTIFY_SOCKET names. Outside of
// systemd the variable is empty, and the notifier says nothing. No file descriptors are passed, and nothing is received.
package notify

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// What is said.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// A Notifier speaks to the service manager. A nil one has nobody to speak to.
type Notifier struct {
	conn *net.UnixConn
}

// Open connects to the socket that NOTIFY_SOCKET names: a path, or a name behind "@". An empty one gives nil.
func Open(socket string) (*Notifier, error) {
	if socket == "" {
		return nil, nil
	}
	if name, ok := strings.CutPrefix(socket, "@"); ok {
		socket = "\x00" + name
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("speak to the service manager: %w", err)
	}
	return &Notifier{conn: conn}, nil
}

// Send says some lines.
func (n *Notifier) Send(lines ...string) error {
	if n == nil {
		return nil
	}
	if _, err := n.conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("speak to the service manager: %w", err)
	}
	return nil
}

// Status is a line for people, which systemctl status shows.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Close ends the connection.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

// Watchdog is how often [Alive] should be said: half of what WATCHDOG_USEC asks for, 0 if nobody asks. The variable
// WATCHDOG_PID says whom it is for; it may be empty.
func Watchdog(usec, forPID string, pid int) (time.Duration, error) {
	if usec == "" || forPID != "" && forPID != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, which is no time", usec)
	}
	return time.Duration(n) * time.Microsecond / 2, nil
}
