package disk

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/tidaldb/tidal/internal/vfs"
)

// handle is an open file or directory.
type handle struct {
	disk *Disk
	life uint64
	name string
	file *inode
	dir  *dir
	at   int64
}

func (h *handle) alive() error {
	if h.life != h.disk.life {
		return &fs.PathError{Op: "use", Path: h.name, Err: errStale}
	}
	return nil
}

// Close releases nothing: the next crash does.
func (h *handle) Close() error { return h.alive() }

// Read reads on from the last read.
func (h *handle) Read(b []byte) (int, error) {
	n, err := h.ReadAt(b, h.at)
	h.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt reads what the process sees.
func (h *handle) ReadAt(b []byte, at int64) (int, error) {
	if err := h.alive(); err != nil {
		return 0, err
	}
	h.disk.op(nil)
	if at >= int64(len(h.file.now)) {
		return 0, io.EOF
	}
	n := copy(b, h.file.now[at:])
	if n > 0 && h.disk.strikes(FlipRead) {
		b[h.disk.rng.IntN(n)] ^= 1 << h.disk.rng.IntN(8)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write appends behind the last write.
func (h *handle) Write(b []byte) (int, error) {
	n, err := h.WriteAt(b, h.at)
	h.at += int64(n)
	return n, err
}

// WriteAt writes into memory. A part of it may be all that is written.
func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	if err := h.alive(); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	d := h.disk
	part := func() int {
		n := d.rng.IntN(len(b) + 1)
		if n > 0 {
			h.file.write(b[:n], at)
		}
		return n
	}
	d.op(func() { part() })
	longer := at+int64(len(b)) > int64(len(h.file.now))
	if longer && (d.full || d.strikes(Full)) {
		d.full = true
		return part(), &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	if d.strikes(FailWrite) {
		return part(), &fs.PathError{Op: "write", Path: h.name, Err: syscall.EIO}
	}
	h.file.write(b, at)
	return len(b), nil
}

// Sync makes a file's data, or a directory's names, durable.
func (h *handle) Sync() error {
	if err := h.alive(); err != nil {
		return err
	}
	d := h.disk
	if h.dir != nil {
		d.op(h.dir.sync)
		h.dir.sync()
		return nil
	}
	some := func(int) bool { return d.rng.IntN(2) == 0 }
	d.op(func() { h.file.begin(some) })
	if d.strikes(FailSync) {
		h.file.sync(some)
		return &fs.PathError{Op: "sync", Path: h.name, Err: syscall.EIO}
	}
	h.file.sync(nil)
	return nil
}

// SyncData is Sync.
func (h *handle) SyncData() error { return h.Sync() }

// SyncTo promises nothing.
func (h *handle) SyncTo(int64) (bool, error) { return false, h.alive() }

// Preallocate does nothing.
func (h *handle) Preallocate(int64, int64) error { return h.alive() }

// Prefetch does nothing.
func (h *handle) Prefetch(int64, int64) error { return h.alive() }

// Fd is none.
func (h *handle) Fd() uintptr { return ^uintptr(0) }

// Stat tells the size.
func (h *handle) Stat() (vfs.Info, error) {
	if err := h.alive(); err != nil {
		return nil, err
	}
	if h.dir != nil {
		return info{name: h.name, dir: true}, nil
	}
	return info{name: h.name, size: int64(len(h.file.now))}, nil
}
