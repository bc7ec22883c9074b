package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// network is a network of its own for each node, on one switch with this process. It takes root and Linux.
type network struct {
	t     *testing.T
	name  string
	hosts []string
}

// newNetwork makes networks for nodes, and skips the test where that can't be done.
func newNetwork(t *testing.T, nodes int) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("networks of their own for processes take root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("networks of their own for processes take the program ip (iproute2)")
	}
	pid := os.Getpid()
	w := &network{t: t, name: fmt.Sprintf("td%d", pid)}
	subnet := fmt.Sprintf("10.%d.%d.", 128+pid>>8&0x7f, pid&0xff)
	t.Cleanup(w.remove)
	if err := ip("link", "add", w.name, "type", "bridge"); err != nil {
		t.Skipf("this machine makes no networks for us: %v", err)
	}
	good(t, errors.Join(ip("addr", "add", subnet+"254/24", "dev", w.name), ip("link", "set", w.name, "up")))
	for i := range nodes {
		host, ns := fmt.Sprint(subnet, i+1), w.of(i)
		w.hosts = append(w.hosts, host)
		if err := ip("netns", "add", ns); err != nil {
			t.Skipf("this machine makes no networks for us: %v", err)
		}
		good(t, ip("link", "add", ns, "type", "veth", "peer", "name", "eth0", "netns", ns))
		good(t, ip("link", "set", ns, "master", w.name, "up"))
		good(t, ip("-n", ns, "addr", "add", host+"/24", "dev", "eth0"))
		good(t, ip("-n", ns, "link", "set", "eth0", "up"))
		good(t, ip("-n", ns, "link", "set", "lo", "up"))
	}
	return w
}

// of names the network of a node, and its end of the cable at the switch.
func (w *network) of(node int) string { return w.name + string(rune('a'+node)) }

// wrap has a node's process run in its network.
func (w *network) wrap(node string, cmd *exec.Cmd) {
	path, err := exec.LookPath("ip")
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Args = append([]string{path, "netns", "exec", w.name + node, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = path
}

// unplug takes a node off the switch: nobody reaches it, clients included. plug ends that.
func (w *network) unplug(node int) { good(w.t, ip("link", "set", w.of(node), "down")) }

func (w *network) plug(node int) { good(w.t, ip("link", "set", w.of(node), "up")) }

// part cuts the connection between two nodes: what one says to the other doesn't arrive. Clients reach both. mend ends it.
func (w *network) part(a, b int) { w.blackhole("add", a, b) }

func (w *network) mend(a, b int) { w.blackhole("del", a, b) }

func (w *network) blackhole(verb string, a, b int) {
	good(w.t, ip("-n", w.of(a), "route", verb, "blackhole", w.hosts[b]+"/32"))
	good(w.t, ip("-n", w.of(b), "route", verb, "blackhole", w.hosts[a]+"/32"))
}

// remove takes everything away again; what isn't there needn't be. A network that is removed takes its cable with it, but some time
// later, and the next test has one of that name.
func (w *network) remove() {
	gone := func(err error) {
		if err != nil && !strings.Contains(err.Error(), "Cannot find") {
			w.t.Log(err)
		}
	}
	for i := range w.hosts {
		gone(ip("link", "del", w.of(i)))
		gone(ip("netns", "del", w.of(i)))
	}
	gone(ip("link", "del", w.name))
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
