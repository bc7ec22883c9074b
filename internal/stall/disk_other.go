//go:build !linux

package stall

import (
	"fmt"
	"os/exec"
	"runtime"
)

// Supported is an [ErrUnsupported] that says what is missing.
func Supported() error { return fmt.Errorf("%w: not on %s", ErrUnsupported, runtime.GOOS) }

// Exec fails.
func Exec(int, string, []string, []string) error { return Supported() }

// Disk is the hold on the syncs of one process, which nobody gets here.
type Disk struct{}

// Command fails.
func Command(*exec.Cmd, ...string) (*Disk, error) { return nil, Supported() }

// Started fails.
func (d *Disk) Started(error) error { return Supported() }

// Stall does nothing.
func (d *Disk) Stall() {}

// Bitten is never closed.
func (d *Disk) Bitten() <-chan struct{} { return nil }

// Resume does nothing.
func (d *Disk) Resume() {}

// Close does nothing.
func (d *Disk) Close() error { return nil }
