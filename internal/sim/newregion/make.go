// Package newregion makes the directory of a new region's first member out of another region's log, on a simulated disk:
//
//	err := newregion.Make(disk, "/data", newregion.Who{Cluster: cluster, Region: 2, Replica: 1}, entries)
//
// It is what a real one does with a copy that it pulls, without the pulling and without a checkpoint; these have tests of their
// own in package host.
package newregion

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// Who says whose a directory is.
type Who struct {
	Cluster     [16]byte
	Region      id.Region
	Shard       id.Shard
	Incarnation id.Incarnation
	Replica     uint64
	// SegmentBytes is the size of a log file; 0 is the log's default.
	SegmentBytes int64
}

// Identify writes the directory's identity. A log that is there goes on under it.
func Identify(fsys vfs.FS, dir string, w Who) error {
	b, err := json.Marshal(map[string]any{
		"format": 1, "cluster": hex.EncodeToString(w.Cluster[:]), "tenant": "", "region": w.Region, "shard": w.Shard,
		"replica": w.Replica, "incarnation": w.Incarnation, "sum": "",
	})
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	return vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, "IDENTITY"), b)
}

// Make writes an identity, and a log: of the entries of another region's the first, which founds a group of the member with
// the number of this one, and everything but changes of members.
func Make(fsys vfs.FS, dir string, w Who, entries []wal.Entry) error {
	if err := Identify(fsys, dir, w); err != nil {
		return err
	}
	log, _, err := wal.Open(wal.Options{
		FS: fsys, Dir: fsys.PathJoin(dir, "wal"), SegmentBytes: w.SegmentBytes,
		Identity: wal.Identity{Cluster: w.Cluster, Region: w.Region, Shard: w.Shard, Replica: w.Replica},
	})
	if err != nil {
		return err
	}
	var own []wal.Entry
	for _, e := range entries {
		if e.Kind == wal.KindBatch || len(own) == 0 {
			own = append(own, wal.Entry{Kind: e.Kind, Term: 1, Index: uint64(len(own) + 1), Data: e.Data})
		}
	}
	err = log.Append(own, &wal.HardState{Term: 1, Commit: uint64(len(own))})
	if err == nil {
		err = log.Sync()
	}
	return errors.Join(err, log.Close())
}
