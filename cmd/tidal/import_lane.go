package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/zeebo/blake3"
)

// laneBytes is the length of the hash that names a lane by default.
const laneBytes = 16

// maxLane is how long a lane's name may be.
const maxLane = 128

// chooseLane returns the lane, and the size of the files if it is known (−1 if not). By default the lane is named by
// what makes the requests: the content of the files, and of the mapping.
func chooseLane(c *cobra.Command, f *importFlags, names []string) (lane string, size int64, err error) {
	given := f.lane
	for _, name := range names {
		twice, err := readTwice(name)
		if err != nil {
			return "", 0, err
		}
		if twice {
			continue
		}
		if given == "" {
			return "", 0, usagef(c, "%s can be read only once, so its content can't name the lane: pass --lane", name)
		}
		return given, -1, nil
	}
	if given == "" {
		if f.mapping != "" {
			names = append([]string{f.mapping}, names...)
		}
		return contentLane(names)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return "", 0, fmt.Errorf("open the input: %w", err)
		}
		size += info.Size()
	}
	return given, size, nil
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
