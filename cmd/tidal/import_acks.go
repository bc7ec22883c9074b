package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// acks tells whoever listens how far an import is durable, one line for a request:
//
//	0:0:4711 1280
//
// The second number is a row, counted from 1 over all files, those that were skipped included: every row up to it is
// durable, or was skipped. The first is the position of the request that ends there, which is that of its first
// record. Requests are told in their order, however they finish. One that an earlier run had brought in is told only
// where the database was asked for it again, and one whose rows were all skipped isn't told.
type acks struct {
	to io.Writer
}

// openAcks returns the file descriptor that --acks names, and how to close it. It is written to without a buffer.
func (a *app) openAcks(c *cobra.Command, fd int) (*acks, func() error, error) {
	nothing := func() error { return nil }
	switch {
	case fd == noAcks:
		return nil, nothing, nil
	case fd == 1:
		return &acks{a.stdout}, nothing, nil
	case fd == 2:
		return &acks{a.stderr}, nothing, nil
	}
	file := os.NewFile(uintptr(fd), "file descriptor "+strconv.Itoa(fd))
	if file == nil {
		return nil, nil, usagef(c, "--acks %d: no such file descriptor", fd)
	}
	if _, err := file.Write(nil); err != nil {
		return nil, nil, usagef(c, "--acks %d: the file descriptor isn't open for writing", fd)
	}
	return &acks{file}, file.Close, nil
}

// tell writes a line, if anybody listens.
func (a *acks) tell(p tidal.Position, row int64) error {
	if a == nil || p.IsZero() {
		return nil
	}
	if _, err := fmt.Fprintf(a.to, "%v %d\n", p, row); err != nil {
		return fmt.Errorf("print an acknowledgement: %w", err)
	}
	return nil
}
