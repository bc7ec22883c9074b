package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// Cut gives up what a damaged log can't show any more, so that the directory opens again; see [wal.Cut]. What was
// lost may have been seen: the group goes on under a new incarnation, now, and no position is given out twice.
//
// What the checkpoint holds isn't lost with the log: the log goes on behind it.
//
// A log without damage is left as it is. Interrupted, Cut can be called again.
func Cut(fsys vfs.FS, dir string) (loss wal.Loss, now id.Origin, err error) {
	lock, err := vfs.Lock(fsys, dir)
	if err != nil {
		return loss, now, err
	}
	defer func() { _ = lock.Close() }()
	who, err := readIdentity(fsys, dir)
	if err != nil {
		return loss, now, err
	}
	if err := refuseMember(fsys, dir, who); err != nil {
		return loss, now, err
	}
	path := fsys.PathJoin(dir, logDir)
	if _, err := wal.Verify(fsys, path); errors.Is(err, fault.ErrCorrupt) {
		// The incarnation comes first: one too many does no harm, a position used twice does.
		who.Incarnation++
		if err := who.write(fsys, dir); err != nil {
			return loss, now, fmt.Errorf("raise incarnation: %w", err)
		}
	}
	held, term, err := checkpointed(fsys, dir, who)
	if err != nil {
		return loss, now, err
	}
	if loss, err = wal.Cut(fsys, path, held); err == nil && loss.LastIndex < held {
		loss.LastIndex = held
		err = goOn(fsys, path, who, held, term)
	}
	return loss, who.origin(), err
}

// refuseMember refuses what is a member's of a group of many, as far as that can be told: what it lost is at the others.
func refuseMember(fsys vfs.FS, dir string, who identity) error {
	group, err := who.store()
	if err != nil {
		return err
	}
	m, _, err := checkpointMeta(fsys, dir, group)
	if err != nil {
		return err
	}
	members, err := consensus.DecodeMembers(m.Configuration)
	if err != nil {
		return err
	}
	voters := members.Voters()
	if len(voters) > 1 || who.Joined && len(voters) == 0 {
		return fault.Refuse("dir", "%s belongs to replica %d of a group; what its log lost the others have: remove that replica, move "+
			"the directory away, and let it join anew; if the others are gone, too, see tidal cluster recover", dir, who.Replica)
	}
	return nil
}

// checkpointed returns the last entry that the checkpoint holds, and its term; zeros if there is none.
func checkpointed(fsys vfs.FS, dir string, who identity) (index, term uint64, err error) {
	group, err := who.store()
	if err != nil {
		return 0, 0, err
	}
	m, _, err := checkpointMeta(fsys, dir, group)
	return m.Applied, m.Term, err
}

// checkpointMeta is what the checkpoint of a directory says of itself; found is false if there is none.
func checkpointMeta(fsys vfs.FS, dir string, group store.Identity) (m store.Meta, found bool, err error) {
	s, err := store.Open(store.Options{FS: fsys, Dir: fsys.PathJoin(dir, storeDir), Identity: group, ReadOnly: true})
	if errors.Is(err, fault.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read the checkpoint: %w", err)
	}
	m = s.Meta()
	m.Configuration = bytes.Clone(m.Configuration)
	return m, true, s.Close()
}

// goOn lets a log that ends before the checkpoint go on behind it.
func goOn(fsys vfs.FS, path string, who identity, index, term uint64) error {
	group, err := who.wal()
	if err != nil {
		return err
	}
	log, _, err := wal.Open(wal.Options{FS: fsys, Dir: path, Identity: group})
	if err != nil {
		return err
	}
	return errors.Join(log.Reset(index, term), log.Close())
}
