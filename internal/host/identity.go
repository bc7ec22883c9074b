package host

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// The layout of a directory: identityName says whose it is, logDir holds the log.
const (
	identityName   = "IDENTITY"
	logDir         = "wal"
	identityFormat = 3
)

// identity is the content of the file IDENTITY, as JSON.
type identity struct {
	Format  int       `json:"format"`
	Cluster string    `json:"cluster"` // 16 random bytes in hex, drawn when the database was made
	Tenant  string    `json:"tenant"`
	Region  id.Region `json:"region"`
	Shard   id.Shard  `json:"shard"`
	Replica uint64    `json:"replica"`
	// Incarnation is raised when the group can't prove any more that it has its full tail.
	Incarnation id.Incarnation `json:"incarnation"`
	// Joined says that others founded the group, and Members who was in it when this replica joined: format 2.
	Joined  bool   `json:"joined,omitempty"`
	Members []peer `json:"members,omitempty"`
	// Begins is the first entry of the log that is the group's own, in the directory that a region began with: what lies before
	// is of the region that it was copied of, is passed on to other regions, and never to members. Format 3.
	Begins uint64 `json:"begins,omitempty"`
	// Sum is the checksum of the file, taken with an empty Sum; files of before there was one have none.
	Sum string `json:"sum"`
}

// peer is a member that a newcomer was told of.
type peer struct {
	Number  uint64 `json:"number"`
	Address string `json:"address"`
	URL     string `json:"url,omitempty"`
	Learner bool   `json:"learner,omitempty"`
}

// sum is CRC-32C, in hex, of the file with an empty sum.
func (i identity) sum() string {
	i.Sum = ""
	return sumNote(i)
}

func (i identity) origin() id.Origin {
	return id.Origin{Region: i.Region, Shard: i.Shard, Incarnation: i.Incarnation}
}

func (i identity) wal() (wal.Identity, error) {
	out := wal.Identity{Tenant: i.Tenant, Region: i.Region, Shard: i.Shard, Replica: i.Replica}
	b, err := hex.DecodeString(i.Cluster)
	if err != nil || len(b) != len(out.Cluster) {
		return out, fmt.Errorf("cluster %q is not 16 bytes in hex", i.Cluster)
	}
	copy(out.Cluster[:], b)
	return out, nil
}

func (i identity) store() (store.Identity, error) {
	who, err := i.wal()
	return store.Identity{Cluster: who.Cluster, Tenant: who.Tenant, Region: who.Region, Shard: who.Shard}, err
}

// OriginOf returns what the group of a directory stamps from its next open on. fault.ErrNotFound means that there is no database
// in it.
func OriginOf(fsys vfs.FS, dir string) (id.Origin, error) {
	who, err := readIdentity(fsys, dir)
	return who.origin(), err
}

// readIdentity reads the identity of a directory. fault.ErrNotFound means that there is no database in it.
func readIdentity(fsys vfs.FS, dir string) (identity, error) {
	path := fsys.PathJoin(dir, identityName)
	b, found, err := readNote(fsys, path)
	if err != nil {
		return identity{}, err
	}
	if !found {
		return identity{}, noIdentity(fsys, dir)
	}
	return decodeIdentity(path, b)
}

func decodeIdentity(path string, b []byte) (identity, error) {
	var got identity
	if err := decodeNote(path, b, identityFormat, "it is no identity", &got); err != nil {
		return identity{}, err
	}
	_, err := got.wal()
	switch {
	case got.Sum != "" && got.Sum != got.sum():
		return identity{}, fault.Damaged(path, 0, "checksum is %s, the fields give %s", got.Sum, got.sum())
	case err != nil:
		return identity{}, fault.Damaged(path, 0, "%v", err)
	case got.Format < 1 || got.Replica == 0:
		return identity{}, fault.Damaged(path, 0, "it has format %d and replica %d; both count from 1",
			got.Format, got.Replica)
	case got.Format < 2 && (got.Joined || got.Members != nil):
		return identity{}, fault.Damaged(path, 0, "it has format 1, which knows no other members, and says that it joined some")
	case got.Format < 3 && got.Begins > 0:
		return identity{}, fault.Damaged(path, 0, "it has format %d, which knows no log of two groups, and says that its own begins "+
			"with entry %d", got.Format, got.Begins)
	}
	return got, nil
}

// noIdentity tells an empty directory from one that lost its identity.
func noIdentity(fsys vfs.FS, dir string) error {
	if waitsToMoveUp(fsys, dir) {
		return fmt.Errorf("%s holds the copy that a new region begins with, and was interrupted when it was whole; start its member "+
			"again, which goes on: %w", dir, fault.ErrNotFound)
	}
	names, err := fsys.List(fsys.PathJoin(dir, logDir))
	if err == nil && len(names) > 0 {
		return fault.Damaged(fsys.PathJoin(dir, identityName), 0,
			"it is missing beside a log; restore it from a backup")
	}
	return fmt.Errorf("%s holds no database: %w", dir, fault.ErrNotFound)
}

// makeIdentity draws a new identity and writes it, durably. The caller holds the directory's lock.
func makeIdentity(fsys vfs.FS, dir string, random io.Reader) (identity, error) {
	var cluster [16]byte
	if _, err := io.ReadFull(random, cluster[:]); err != nil {
		return identity{}, fmt.Errorf("draw cluster id: %w", err)
	}
	made := identity{Format: 1, Cluster: hex.EncodeToString(cluster[:]), Replica: 1}
	return made, made.write(fsys, dir)
}

// write replaces the file, durably.
func (i identity) write(fsys vfs.FS, dir string) error {
	i.Sum = i.sum()
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, identityName), encodeNote(i)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}
