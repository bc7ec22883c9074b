package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Named exports are files of the folder exports, one for each. They are read whenever the log might go, so that a process
// that reads beside the writer can keep them, too; a file that can't be read holds everything.
const (
	exportsDir = "exports"
	pinSuffix  = ".json"
)

// Pinned is what is known of a named export.
type Pinned struct {
	// Name is the export's, Err what is wrong with its file: then nothing else is known.
	Name string
	Err  error
	Pin  export.Pin
	// Behind is how much of the log lies behind the cursor, in bytes, and Oldest when the first batch there was written;
	// zero if there is none. Gone: the log has lost events behind the cursor.
	Behind int64
	Oldest time.Time
	Gone   bool
}

// held is what the last decision about the log said of pins.
type held struct {
	bytes, givenUp int64
	alarm          bool
	upTo           uint64 // the entry up to which the log was let go
}

// named reads the named exports, by name.
func (b *Base) named() ([]Pinned, error) {
	dir := b.opts.FS.PathJoin(b.opts.Dir, exportsDir)
	names, err := b.opts.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w: %w", dir, fault.ErrDisk, err)
	}
	var out []Pinned
	for _, file := range names {
		name, ok := strings.CutSuffix(file, pinSuffix)
		if !ok || export.CheckName(name) != nil {
			continue
		}
		pin, err := readPin(b.opts.FS, b.opts.FS.PathJoin(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped meanwhile
		}
		if err == nil && pin.Name != name {
			err = fault.Damaged(b.opts.FS.PathJoin(dir, file), 0, "it is of the export %q", pin.Name)
		}
		out = append(out, Pinned{Name: name, Pin: pin, Err: err})
	}
	slices.SortFunc(out, func(x, y Pinned) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func readPin(fsys vfs.FS, path string) (export.Pin, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return export.Pin{}, fmt.Errorf("open %s: %w", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, export.MaxPin+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return export.Pin{}, fmt.Errorf("read %s: %w: %w", path, fault.ErrDisk, err)
	}
	return export.DecodePin(path, data)
}

// needed returns what the named exports have read, as retention asks for it.
func needed(pins []Pinned) []id.VersionVector {
	var out []id.VersionVector
	for i := range pins {
		out = append(out, pins[i].Pin.Cursor.Read) // of one that can't be read it's empty, which needs everything
	}
	return out
}

// Named returns the named exports, by name, without saying how far they are behind.
func (r *Replica) Named() ([]Pinned, error) { return r.base.named() }

// Pins returns the named exports, by name, with how far each is behind.
func (r *Replica) Pins() ([]Pinned, error) {
	list, err := r.base.named()
	if err != nil || len(list) == 0 {
		return list, err
	}
	for i := range list {
		if p := &list[i]; p.Err == nil {
			if err := r.measure(p); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// measure finds out how far a named export is behind.
func (r *Replica) measure(p *Pinned) error {
	w, err := r.Walk(&p.Pin.Cursor)
	if errors.Is(err, fault.ErrNotFound) {
		p.Gone = true
		w, err = r.Walk(nil)
	}
	if errors.Is(err, fault.ErrInput) {
		p.Err = err
		return nil
	}
	if err != nil {
		return err
	}
	defer w.Close()
	p.Oldest, p.Behind, err = w.behind()
	return err
}

// behind says how much of the log a walk has before it, and when the first batch there was written.
func (w *Walk) behind() (oldest time.Time, bytes int64, err error) {
	if w.read.Includes(w.held) {
		return time.Time{}, 0, nil
	}
	steps, err := w.Next()
	if err != nil || len(steps) == 0 {
		return time.Time{}, 0, err
	}
	first := &steps[0]
	return time.Unix(0, int64(first.Batch.Header.Timestamp)).UTC(), w.base.Log.BytesFrom(first.index), nil
}

// Held is how many bytes of the log stay for named exports alone and how many were given up although they were named,
// as of the last time that the log was looked at; alarm reports that the former are more than the policy's.
func (r *Replica) Held() (bytes, givenUp int64, alarm bool) {
	if h := r.base.held.Load(); h != nil {
		return h.bytes, h.givenUp, h.alarm
	}
	return 0, 0, false
}

// Pin returns a named export, and makes it if there is none: then it begins with what the log has. It is durable on return.
func (r *Replica) Pin(ctx context.Context, name string) (pin export.Pin, err error) {
	if err := export.CheckName(name); err != nil {
		return export.Pin{}, err
	}
	err = r.changePins(ctx, func(dir string) error {
		pin, err = readPin(r.base.opts.FS, r.base.pinPath(name))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		w, err := r.Walk(nil)
		if err != nil {
			return err
		}
		defer w.Close()
		now := r.base.opts.Now().UnixMilli()
		pin = export.Pin{Name: name, Cursor: w.Cursor(), Created: now, Advanced: now}
		return r.base.writePin(&pin)
	})
	return pin, err
}

// Advance moves a named export to a cursor, durably: the log may go up to there. A cursor behind the export's is without
// effect. fault.ErrNotFound means that there is no such export.
func (r *Replica) Advance(ctx context.Context, name string, to export.Cursor) error {
	if err := export.CheckName(name); err != nil {
		return err
	}
	if to.Cluster != r.base.cluster() {
		return fault.Refuse("cursor", "belongs to another database")
	}
	err := r.changePins(ctx, func(dir string) error {
		pin, err := readPin(r.base.opts.FS, r.base.pinPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("export %q: %w", name, fault.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if pin.Cursor.Read.Includes(to.Read) {
			return nil
		}
		if !to.Read.Includes(pin.Cursor.Read) {
			return fault.Refuse("cursor", "has events that export %q lacks, and lacks some that it has", name)
		}
		pin.Cursor, pin.Advanced = to, r.base.opts.Now().UnixMilli()
		return r.base.writePin(&pin)
	})
	if err == nil {
		r.base.wake() // some of the log may go
	}
	return err
}

// Unpin forgets a named export, durably. fault.ErrNotFound means that there is none.
func (r *Replica) Unpin(ctx context.Context, name string) error {
	if err := export.CheckName(name); err != nil {
		return err
	}
	err := r.changePins(ctx, func(dir string) error {
		err := r.base.opts.FS.Remove(r.base.pinPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("export %q: %w", name, fault.ErrNotFound)
		}
		if err == nil {
			err = vfs.SyncDir(r.base.opts.FS, dir)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", fault.ErrDisk, err)
		}
		return nil
	})
	if err == nil {
		r.base.wake()
	}
	return err
}

func (b *Base) pinPath(name string) string {
	return b.opts.FS.PathJoin(b.opts.Dir, exportsDir, name+pinSuffix)
}

func (b *Base) writePin(p *export.Pin) error {
	if err := vfs.WriteFileAtomic(b.opts.FS, b.pinPath(p.Name), p.Encode()); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// How long another process may hold the exports, and how often that is looked at.
const (
	pinsWait  = 5 * time.Second
	pinsRetry = 10 * time.Millisecond
)

// changePins calls change with the folder of the exports while nobody else changes what is in there, in this process or
// another.
func (r *Replica) changePins(ctx context.Context, change func(dir string) error) error {
	b := r.base
	b.exporting.Lock()
	defer b.exporting.Unlock()
	dir := b.opts.FS.PathJoin(b.opts.Dir, exportsDir)
	if err := vfs.MkdirAll(b.opts.FS, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	ctx, cancel := context.WithTimeout(ctx, pinsWait)
	defer cancel()
	for {
		lock, err := vfs.Lock(b.opts.FS, dir)
		if err == nil {
			err = change(dir)
			return errors.Join(err, lock.Close())
		}
		if !errors.Is(err, fault.ErrLocked) {
			return err
		}
		select {
		case <-time.After(pinsRetry):
		case <-ctx.Done():
			return err
		}
	}
}
