package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/internal/vfs"
)

// The keys that seal tokens are records like others, so that every replica has them. The newest seals. After
// keySeals another one takes its place, and from then on it opens what it sealed for keyOpens more.
const (
	keySeals = 30 * 24 * time.Hour
	keyOpens = 90 * 24 * time.Hour
)

// Keys returns the keys that seal and open tokens now, the newest first. A reader of a directory that has none, because
// nobody has written to it yet, gets one that is good until it closes.
func (r *Replica) Keys() (token.Keys, error) {
	all, err := r.sealingKeys()
	if err != nil {
		return nil, err
	}
	if list := keysAt(all, r.base.opts.Now().UnixMilli()); len(list) > 0 {
		return list, nil
	}
	r.keys.Lock()
	defer r.keys.Unlock()
	if r.keys.own != nil {
		return r.keys.own, nil
	}
	list, err := r.oldKeys()
	if err == nil && list == nil {
		var k token.Key
		k, err = drawKey(r.base.opts.random())
		list = token.Keys{k}
	}
	if err != nil {
		return nil, err
	}
	r.keys.own = list
	return list, nil
}

// TendKeys does what the keys need: it draws one if there is none, the newest is old, or a new one is asked for; takes
// over those that an earlier program kept in a file, which goes away then; and drops those that open nothing any more.
// Mostly that is nothing. The database's schema must be there.
func (r *Replica) TendKeys(ctx context.Context, fresh bool) error {
	if r.loop == nil {
		return errReadOnly
	}
	r.tending.Lock() // two at a time would draw two keys
	defer r.tending.Unlock()
	all, err := r.sealingKeys()
	if err != nil {
		return err
	}
	old, err := r.oldKeys()
	if err != nil {
		return err
	}
	due, err := keysDue(all, old, r.base.opts.Now().UnixMilli(), fresh, r.base.opts.random())
	if err != nil {
		return err
	}
	if err := r.writeKeys(ctx, due); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	return r.forgetOldKeys()
}

func (r *Replica) sealingKeys() (all []engine.SealingKey, err error) {
	err = r.Read(func(e *engine.Engine) error {
		all, err = e.SealingKeys()
		return err
	})
	return all, err
}

// keysAt returns the keys, of all there are, the newest first, that open tokens at a time in milliseconds.
func keysAt(all []engine.SealingKey, now int64) token.Keys {
	var out token.Keys
	for i, k := range all {
		if k.Dropped() || i > 0 && expired(all[i-1].Created, now) {
			continue
		}
		key := token.Key{ID: k.ID}
		copy(key.Secret[:], k.Secret)
		out = append(out, key)
	}
	return out
}

// expired reports whether a key that was replaced at a time opens nothing any more.
func expired(replaced, now int64) bool { return now-replaced > keyOpens.Milliseconds() }

// keysDue returns the records that bring the keys in order: all there are, and those of an earlier program's file.
func keysDue(all []engine.SealingKey, old token.Keys, now int64, fresh bool, random io.Reader) ([]record.SealingKey, error) {
	var out []record.SealingKey
	newest := int64(0)
	if len(all) > 0 {
		newest = all[0].Created
	}
	for i, k := range old { // they were drawn nobody knows when, and begin to count now
		if !slices.ContainsFunc(all, func(x engine.SealingKey) bool { return x.ID == k.ID }) {
			out = append(out, record.SealingKey{ID: k.ID, Created: now - int64(i), Secret: slices.Clone(k.Secret[:])})
			newest = max(newest, now)
		}
	}
	if newest == 0 || fresh || now-newest > keySeals.Milliseconds() {
		k, err := drawKey(random)
		if err != nil {
			return nil, err
		}
		// Above the newest, or it wouldn't seal: another region's clock may be ahead.
		out = append(out, record.SealingKey{ID: k.ID, Created: max(now, newest+1), Secret: slices.Clone(k.Secret[:])})
	}
	for i, k := range all {
		if i > 0 && !k.Dropped() && expired(all[i-1].Created, now) {
			out = append(out, record.SealingKey{ID: k.ID, Created: k.Created})
		}
	}
	return out, nil
}

func (r *Replica) writeKeys(ctx context.Context, due []record.SealingKey) error {
	if len(due) == 0 {
		return nil
	}
	for {
		req := &replica.Request{Records: make([]record.Proposed, len(due))}
		for i, k := range due {
			req.Records[i] = record.Proposed{Kind: record.KindSealingKey, SealingKey: k}
		}
		err := r.Read(func(e *engine.Engine) error {
			s, hash := e.Schema()
			req.Schema = hash
			return replica.Check(req, s)
		})
		if err == nil {
			_, err = r.Write(ctx, req)
		}
		var in *fault.Input
		if errors.As(err, &in) && in.Field == "schema" {
			continue // it has grown in between
		}
		if err != nil {
			return fmt.Errorf("enter keys that seal tokens: %w", err)
		}
		return nil
	}
}

func drawKey(random io.Reader) (token.Key, error) {
	var b [36]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return token.Key{}, fmt.Errorf("draw a key: %w", err)
	}
	k := token.Key{ID: uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24}
	copy(k.Secret[:], b[4:])
	return k, nil
}

// oldKeys reads the keys that an earlier program kept in a file, nil if there is none.
func (r *Replica) oldKeys() (token.Keys, error) {
	list, err := readKeys(r.base.opts.FS, r.base.opts.FS.PathJoin(r.base.opts.Dir, keysName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}

// forgetOldKeys removes the file of keys, which are in the log by now, durably.
func (r *Replica) forgetOldKeys() error {
	fsys := r.base.opts.FS
	if err := fsys.Remove(fsys.PathJoin(r.base.opts.Dir, keysName)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if err := vfs.SyncDir(fsys, r.base.opts.Dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}
