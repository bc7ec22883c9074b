package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zeebo/blake3"
)

// laneBytes is the length of the hash that names a lane by default.
const laneBytes = 16

// files reads the rows of several files one after another, as one input.
type files struct {
	format format
	names  []string  // those still to come; "-" is stdin
	stdin  io.Reader // what "-" means
	read   func(int) // told how many bytes were read; may be nil

	open *os.File // the current file, nil for stdin and between files
	rows source   // of the current file
}

func (f *files) next() (row, error) {
	for {
		if f.rows == nil {
			if len(f.names) == 0 {
				return row{}, io.EOF
			}
			if err := f.start(f.names[0]); err != nil {
				return row{}, err
			}
			f.names = f.names[1:]
		}
		r, err := f.rows.next()
		if !errors.Is(err, io.EOF) {
			return r, err
		}
		f.rows = nil
		if err := f.close(); err != nil {
			return row{}, err
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
	f.rows = f.format.open(shown, bufio.NewReaderSize(counted{in, f.read}, 64<<10))
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

// contentLane names the lane of an import by what is in its files: the first 16 bytes of BLAKE3 of the file, or, for
// several, of their hashes in order. It also returns their size together.
func contentLane(names []string) (lane string, size int64, err error) {
	whole := blake3.New()
	for _, name := range names {
		sum, n, err := hashFile(name)
		if err != nil {
			return "", 0, err
		}
		size += n
		if len(names) == 1 {
			return hex.EncodeToString(sum[:laneBytes]), size, nil
		}
		whole.Write(sum) // a hash can't fail
	}
	return hex.EncodeToString(whole.Sum(nil)[:laneBytes]), size, nil
}

func hashFile(name string) (sum []byte, size int64, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("open the input: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	h := blake3.New()
	size, err = io.Copy(h, file)
	if err != nil {
		return nil, 0, fmt.Errorf("read the input: %w", err)
	}
	return h.Sum(nil), size, nil
}

// readTwice reports whether a file can be read twice, once for its hash and once for its rows.
func readTwice(name string) (bool, error) {
	if name == "-" {
		return false, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return false, fmt.Errorf("open the input: %w", err)
	}
	return info.Mode().IsRegular(), nil
}
