package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/tidaldb/tidal/internal/stall"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// Node is one server of a fleet. Its methods but Log belong to one goroutine.
type Node struct {
	// Name is how the fleet calls it: a, b, c, …. The database knows it by a number, which a new directory changes.
	Name string
	// Dir has its data.
	Dir string
	// URL is where clients find it; it stays the same.
	URL string

	f       *Fleet
	listen  string            // of its HTTP interface
	peer    string            // where it listens for its peers; empty in a fleet of one
	proxy   *faultproxy.Proxy // before it, nil for none
	door    *door             // the same in a world
	founder bool
	cert    string // files without their endings; empty for none
	said    tail
	process *process
	disk    *stall.Disk // nil if it can't be stalled
}

// Start starts it, and returns once it answers and is ready.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Launch(ctx); err != nil {
		return err
	}
	return n.Ready(ctx)
}

// Launch starts it and doesn't wait.
func (n *Node) Launch(ctx context.Context) error {
	if n.Running() {
		return fmt.Errorf("node %s: it runs already", n.Name)
	}
	// It outlives the call: the fleet ends it.
	cmd, err := n.f.o.Program(context.WithoutCancel(ctx), n.args()...)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	if n.f.o.Stalls {
		if n.disk, err = stall.Command(cmd, n.f.o.Launcher...); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	if n.f.o.Wrap != nil {
		n.f.o.Wrap(n.Name, cmd)
	}
	n.process, err = spawn(cmd, &n.said)
	if n.disk != nil {
		err = n.disk.Started(err)
	}
	if err != nil {
		return fmt.Errorf("node %s: %w: %s", n.Name, err, n.Log())
	}
	if w := n.f.o.world; w != nil {
		w.runs(n.Pid(), n.f.o.region)
	}
	return nil
}

// Running reports whether its process runs.
func (n *Node) Running() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.process.ended:
		return false
	default:
		return true
	}
}

// Pid is the number of its process.
func (n *Node) Pid() int { return n.process.cmd.Process.Pid }

// Log is the end of all that it has said.
func (n *Node) Log() string { return n.said.String() }

// Kill ends it with SIGKILL.
func (n *Node) Kill() error { return n.end(n.process.kill) }

// Stop ends it in order, as an operator does.
func (n *Node) Stop(ctx context.Context) error {
	return n.end(func() error { return n.process.stop(ctx) })
}

func (n *Node) end(how func() error) error {
	if n.process == nil {
		return nil
	}
	if n.disk != nil {
		n.disk.Resume() // else an orderly end would wait for ever
	}
	pid := n.Pid()
	err := how()
	if w := n.f.o.world; w != nil {
		w.ended(pid)
	}
	if n.disk != nil {
		err = errors.Join(err, n.disk.Close())
		n.disk = nil
	}
	n.process = nil
	if err != nil {
		return fmt.Errorf("node %s: %w: %s", n.Name, err, n.Log())
	}
	return nil
}

// Ended returns once its process has ended by itself, with how it ended.
func (n *Node) Ended(ctx context.Context) error {
	p := n.process
	if p == nil {
		return fmt.Errorf("node %s: it doesn't run", n.Name)
	}
	select {
	case <-p.ended:
		n.process = nil
		if n.disk != nil {
			err := n.disk.Close()
			n.disk = nil
			return errors.Join(p.err, err)
		}
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("wait until node %s has ended: %w", n.Name, context.Cause(ctx))
	}
}

// Pause has its process stand still (SIGSTOP), Continue go on (SIGCONT).
func (n *Node) Pause() error { return n.process.signal(syscall.SIGSTOP) }

// Continue ends a pause.
func (n *Node) Continue() error { return n.process.signal(syscall.SIGCONT) }

// Disk is the hold on its disk, nil unless the fleet was started with stalls.
func (n *Node) Disk() *stall.Disk { return n.disk }

// Network is what all connections that its peers begin to it pass through, nil unless the fleet was started with proxies.
// Those that it begins pass through the peers'.
func (n *Node) Network() *faultproxy.Proxy { return n.proxy }

// advertised is where its peers find it.
func (n *Node) advertised() string {
	switch {
	case n.door != nil:
		return n.door.listener.Addr().String()
	case n.proxy != nil:
		return n.proxy.Address()
	}
	return n.peer
}

// Tool runs the program with other arguments, to its end, and returns what it said; it's for what operators do.
func (n *Node) Tool(ctx context.Context, args ...string) (string, error) {
	cmd, err := n.f.o.Program(ctx, args...)
	if err != nil {
		return "", fmt.Errorf("node %s: %w", n.Name, err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("node %s: tidal %s: %w: %s", n.Name, args[0], err, out)
	}
	return string(out), nil
}

// Wipe removes its data, as if its disk had been replaced. Started again it joins anew.
func (n *Node) Wipe() error {
	if n.Running() {
		return fmt.Errorf("node %s: it runs", n.Name)
	}
	n.founder = false
	if err := os.RemoveAll(n.Dir); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return nil
}

// args is its command line.
func (n *Node) args() []string {
	args := []string{"serve", "--data-dir", n.Dir, "--listen", n.listen, "--schema", n.f.schema()}
	if n.peer != "" {
		args = append(args, "--cluster-listen", n.peer, "--cluster-advertise", n.advertised(), "--cluster-url", n.URL)
		if !n.founder {
			args = append(args, "--cluster-join", n.f.peersOf(n))
		}
	}
	args = append(args, n.regional()...)
	if n.cert != "" {
		args = append(args, "--cluster-ca", filepath.Join(n.f.o.Dir, "ca.crt"), "--cluster-cert", n.cert+".crt",
			"--cluster-key", n.cert+".key")
	}
	return append(args, n.f.o.Settings...)
}

// regional are the flags that say which region it is of.
func (n *Node) regional() []string {
	w := n.f.o.world
	if w == nil {
		return nil
	}
	args := []string{"--cluster-region", n.f.o.region}
	if at := w.joinsAt(n.f.o.region); at != "" {
		args = append(args, "--cluster-region-join", at)
		if slices.Contains(w.o.Followers, n.f.o.region) {
			args = append(args, "--cluster-region-role", "follower")
		}
	}
	return args
}
