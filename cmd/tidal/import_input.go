package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/rows"
)

// files reads the rows of several files one after another, as one input.
type files struct {
	format rows.Format
	names  []string  // those still to come; "-" is stdin
	stdin  io.Reader // what "-" means
	read   func(int) // told how many bytes were read; may be nil

	open *os.File    // the current file, nil for stdin and between files
	rows rows.Source // of the current file
}

func (f *files) Next() (rows.Row, error) {
	for {
		if f.rows == nil {
			if len(f.names) == 0 {
				return rows.Row{}, io.EOF
			}
			if err := f.start(f.names[0]); err != nil {
				return rows.Row{}, err
			}
			f.names = f.names[1:]
		}
		r, err := f.rows.Next()
		if !errors.Is(err, io.EOF) {
			return r, err
		}
		f.rows = nil
		if err := f.close(); err != nil {
			return rows.Row{}, err
		}
	}
}

func (f *files) start(name string) error {
	in, shown := f.stdin, "stdin"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open the input: %w", err)
		}
		f.open = file
		in, shown = file, name
	}
	f.rows = f.format.Open(shown, bufio.NewReaderSize(counted{in, f.read}, 64<<10))
	return nil
}

func (f *files) close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}

// counted tells how many bytes pass.
type counted struct {
	r    io.Reader
	read func(int)
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.read != nil {
		c.read(n)
	}
	return n, err
}

// partsOf names the files of directories, where the format comes in such.
func partsOf(c *cobra.Command, format *rows.Format, names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case name == "-" || err == nil && !info.IsDir():
			all = append(all, name)
		case err != nil:
			return nil, fmt.Errorf("open the input: %w", err)
		case format.Parts == nil:
			return nil, usagef(c, "%s is a directory; name the files", name)
		default:
			for _, part := range format.Parts {
				all = append(all, filepath.Join(name, part))
			}
		}
	}
	return all, nil
}
