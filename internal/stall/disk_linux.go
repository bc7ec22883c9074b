package stall

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Disk is the hold on the syncs of one process. Its methods may be called from any goroutine.
type Disk struct {
	ours, theirs *os.File // the socket over which the filter's other end comes

	mu       sync.Mutex
	listener *os.File
	stalled  bool
	held     []uint64      // syncs that wait, by the kernel's numbers
	bitten   chan struct{} // closed once a sync waits
	ended    chan struct{} // closed when serve has returned
}

// Command has a command's process be started through [Exec]: the command's file must be a program that calls it when its
// arguments are launcher followed by "3" (the file descriptor) and the command's own arguments. It must not have extra
// files. The process runs as it is once it was started with cmd.Start and [Disk.Started] has returned.
func Command(cmd *exec.Cmd, launcher ...string) (*Disk, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	if len(cmd.ExtraFiles) > 0 {
		return nil, errors.New("stall: the command hands on files of its own")
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("stall: make a pair of sockets: %w", err)
	}
	d := &Disk{
		ours: os.NewFile(uintptr(pair[0]), "stall"), theirs: os.NewFile(uintptr(pair[1]), "stall"),
		bitten: make(chan struct{}), ended: make(chan struct{}),
	}
	cmd.ExtraFiles = []*os.File{d.theirs}
	args := append([]string{cmd.Args[0]}, launcher...)
	cmd.Args = append(append(args, "3"), cmd.Args[1:]...)
	return d, nil
}

// Started takes over the syncs of the process, once cmd.Start has returned, with its error if it has one.
func (d *Disk) Started(start error) error {
	err := errors.Join(start, d.theirs.Close())
	if err == nil {
		d.listener, err = receive(d.ours)
	}
	err = errors.Join(err, d.ours.Close())
	if err != nil {
		close(d.ended)
		return fmt.Errorf("stall: take over the disk: %w", err)
	}
	go d.serve()
	return nil
}

// serve lets syncs through, or holds them, until the process has ended or the disk is closed.
func (d *Disk) serve() {
	defer close(d.ended)
	for {
		sync, err := next(d.listener)
		if err != nil {
			return // nobody syncs any more
		}
		d.mu.Lock()
		if d.stalled {
			if len(d.held) == 0 {
				close(d.bitten)
			}
			d.held = append(d.held, sync)
		} else {
			pass(d.listener, sync)
		}
		d.mu.Unlock()
	}
}

// Stall has the syncs that begin from now on wait.
func (d *Disk) Stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled = true
}

// Bitten is closed once a sync waits. Each stall has a channel of its own, so ask after [Disk.Stall].
func (d *Disk) Bitten() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bitten
}

// Resume lets all syncs go on.
func (d *Disk) Resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, sync := range d.held {
		pass(d.listener, sync)
	}
	if d.stalled = false; len(d.held) > 0 {
		d.held, d.bitten = nil, make(chan struct{})
	}
}

// Close gives the hold up. Syncs of a process that still runs fail from then on, so end it before.
func (d *Disk) Close() error {
	d.Resume()
	var err error
	if d.listener != nil {
		err = d.listener.Close()
	}
	<-d.ended
	return err
}
