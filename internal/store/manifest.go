package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// manifestName is the file that says whose store a directory is, and which of the databases in it counts. It is
// replaced atomically when another one is installed.
const manifestName = "STORE"

// databasePrefix begins the names of databases; their number in six digits follows.
const databasePrefix = "db-"

// manifest is the file's content.
type manifest struct {
	Format  uint64    `json:"format"`
	Algebra uint64    `json:"algebra"`
	Cluster string    `json:"cluster"` // in hex
	Tenant  string    `json:"tenant"`
	Region  id.Region `json:"region"`
	Shard   id.Shard  `json:"shard"`
	// Current is the number of the database, from 1. A higher one was installed later.
	Current uint64 `json:"current"`
}

func newManifest(i Identity, current uint64) manifest {
	return manifest{Format, Algebra, hex.EncodeToString(i.Cluster[:]), i.Tenant, i.Region, i.Shard, current}
}

func (m manifest) identity() (Identity, error) {
	out := Identity{Tenant: m.Tenant, Region: m.Region, Shard: m.Shard}
	b, err := hex.DecodeString(m.Cluster)
	if err != nil || len(b) != len(out.Cluster) {
		return out, fmt.Errorf("cluster %q is not 16 bytes in hex", m.Cluster)
	}
	copy(out.Cluster[:], b)
	return out, nil
}

func (m manifest) database(fsys vfs.FS, dir string) string {
	return fsys.PathJoin(dir, fmt.Sprintf("%s%06d", databasePrefix, m.Current))
}

func (m manifest) write(fsys vfs.FS, dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", manifestName, err)
	}
	return vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, manifestName), append(b, '\n'))
}

// readManifest reads the file of a directory; found is false when the directory holds no store.
func readManifest(fsys vfs.FS, dir string, want Identity) (m manifest, found bool, err error) {
	path := fsys.PathJoin(dir, manifestName)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, noManifest(fsys, dir)
	}
	if err != nil {
		return m, false, fmt.Errorf("open %s: %w", path, err)
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return m, false, fmt.Errorf("read %s: %w", path, err)
	}
	m, err = decodeManifest(path, b)
	if err != nil {
		return m, false, err
	}
	if got, _ := m.identity(); got != want {
		return m, false, foreign(dir, got, want)
	}
	return m, true, nil
}

func decodeManifest(path string, b []byte) (manifest, error) {
	// The versions decide what the rest means, so they are read first and alone.
	var versions struct{ Format, Algebra uint64 }
	if err := json.Unmarshal(b, &versions); err != nil {
		return manifest{}, fault.Damaged(path, 0, "it is no store's: %v", err)
	}
	if err := checkVersions(versions.Format, versions.Algebra); errors.Is(err, fault.ErrFormatTooNew) {
		return manifest{}, fmt.Errorf("%s: open it with a newer tidal: %w", path, err)
	} else if errors.Is(err, fault.ErrFormatTooOld) {
		return manifest{}, fmt.Errorf("%s: move the folder that it is in away, and it is made again from the log, if that "+
			"reaches back to its beginning; else open it with the tidal that wrote it: %w", path, err)
	} else if err != nil {
		return manifest{}, fault.Damaged(path, 0, "%v", err)
	}
	var m manifest
	err := json.Unmarshal(b, &m)
	if err == nil {
		_, err = m.identity()
	}
	if err != nil || m.Current == 0 {
		return manifest{}, fault.Damaged(path, 0, "it names database %d: %v", m.Current, err)
	}
	return m, nil
}

// noManifest tells an empty directory from one that lost its manifest: what a database holds may be nowhere else.
func noManifest(fsys vfs.FS, dir string) error {
	names, err := databases(fsys, dir)
	if err != nil || len(names) == 0 {
		return err
	}
	return fault.Damaged(fsys.PathJoin(dir, manifestName), 0, "it is missing beside %s; restore it from a backup",
		names[0])
}

// databases lists the databases of a directory.
func databases(fsys vfs.FS, dir string) ([]string, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, databasePrefix) {
			out = append(out, name)
		}
	}
	return out, nil
}

// sweep removes databases that don't count: half-written ones, and those that others took the place of.
func (m manifest) sweep(fsys vfs.FS, dir string) error {
	names, err := databases(fsys, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := fsys.PathJoin(dir, name)
		if path == m.database(fsys, dir) {
			continue
		}
		if err := fsys.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return nil
}
