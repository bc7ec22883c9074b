package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/tidaldb/tidal/internal/vfs"
)

var _ vfs.FS = (*Disk)(nil)

// errNone is the error of what nothing that runs on this disk asks for.
var errNone = errors.New("simulated disk can't do that")

// Create makes an empty file; one of that name is replaced.
func (d *Disk) Create(name string, _ vfs.Category) (vfs.File, error) {
	at, base, err := d.walk(name)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	x := &inode{}
	c := change{name: base, node: x}
	d.op(func() { at.change(c) })
	at.change(c)
	return &handle{disk: d, life: d.life, name: name, file: x}, nil
}

// Open opens a file for reading.
func (d *Disk) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	x, err := d.file("open", name)
	if err != nil {
		return nil, err
	}
	return &handle{disk: d, life: d.life, name: name, file: x}, nil
}

// OpenReadWrite opens a file, and makes it if there is none.
func (d *Disk) OpenReadWrite(name string, c vfs.Category, _ ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.Create(name, c)
	}
	return f, err
}

// OpenDir opens a directory, to sync it.
func (d *Disk) OpenDir(name string) (vfs.File, error) {
	x, err := d.directory("open", name)
	if err != nil {
		return nil, err
	}
	return &handle{disk: d, life: d.life, name: name, dir: x}, nil
}

func (d *Disk) directory(op, name string) (*dir, error) {
	if path.Clean("/"+name) == "/" {
		return d.root, nil
	}
	at, base, err := d.walk(name)
	if err == nil {
		if x, ok := at.now[base].(*dir); ok {
			return x, nil
		}
		err = fs.ErrNotExist
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: err}
}

// Remove removes a name.
func (d *Disk) Remove(name string) error {
	at, base, err := d.walk(name)
	if err == nil && at.now[base] == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	c := change{gone: base}
	d.op(func() { at.change(c) })
	at.change(c)
	return nil
}

// Rename gives a file another name in the same directory.
func (d *Disk) Rename(from, to string) error {
	at, base, err := d.walk(from)
	into, name, err2 := d.walk(to)
	if err = errors.Join(err, err2); err == nil && at.now[base] == nil {
		err = fs.ErrNotExist
	}
	if err == nil && at != into {
		err = errNone
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: err}
	}
	c := change{gone: base, name: name, node: at.now[base]}
	d.op(func() { at.change(c) })
	at.change(c)
	return nil
}

// MkdirAll makes a directory with its parents.
func (d *Disk) MkdirAll(name string, _ os.FileMode) error {
	at, p := d.root, path.Clean("/"+name)
	for more := p != "/"; more; {
		var head string
		head, p, more = cutPath(p)
		next, ok := at.now[head].(*dir)
		if !ok {
			next = newDir()
			c := change{name: head, node: next}
			d.op(func() { at.change(c) })
			at.change(c)
		}
		at = next
	}
	return nil
}

// lock is one that this life holds.
type lock struct {
	d    *Disk
	name string
	life uint64
}

func (l lock) Close() error {
	if l.life == l.d.life {
		delete(l.d.locks, l.name)
	}
	return nil
}

// Lock takes a lock; the file is there as long as the directory.
func (d *Disk) Lock(name string) (io.Closer, error) {
	at, base, err := d.walk(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	if _, held := d.locks[name]; held {
		return nil, syscall.EAGAIN
	}
	if at.now[base] == nil {
		at.change(change{name: base, node: &inode{}})
	}
	d.locks[name] = d.life
	return lock{d, name, d.life}, nil
}

// List names what is in a directory, sorted.
func (d *Disk) List(name string) ([]string, error) {
	x, err := d.directory("list", name)
	if err != nil {
		return nil, err
	}
	return names(x.now), nil
}

// Stat tells a file's size.
func (d *Disk) Stat(name string) (vfs.Info, error) {
	if x, err := d.file("stat", name); err == nil {
		return info{name: path.Base(name), size: int64(len(x.now))}, nil
	}
	if _, err := d.directory("stat", name); err != nil {
		return nil, err
	}
	return info{name: path.Base(name), dir: true}, nil
}

// PathBase, PathJoin and PathDir are those of slash-separated paths.
func (d *Disk) PathBase(p string) string        { return path.Base(p) }
func (d *Disk) PathJoin(parts ...string) string { return path.Join(parts...) }
func (d *Disk) PathDir(p string) string         { return path.Dir(p) }

// What nothing asks of this disk.

// Link fails.
func (d *Disk) Link(string, string) error { return errNone }

// RemoveAll fails.
func (d *Disk) RemoveAll(string) error { return errNone }

// ReuseForWrite fails.
func (d *Disk) ReuseForWrite(string, string, vfs.Category) (vfs.File, error) { return nil, errNone }

// GetDiskUsage fails.
func (d *Disk) GetDiskUsage(string) (vfs.Usage, error) { return vfs.Usage{}, errNone }

// Unwrap returns nil: there is nothing below.
func (d *Disk) Unwrap() vfs.FS { return nil }

// info is the answer of Stat.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return i.size }
func (i info) IsDir() bool            { return i.dir }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
