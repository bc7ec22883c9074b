package host

import (
	"encoding/hex"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// RegionDir makes the directory of a region's first replica.
func RegionDir(fsys vfs.FS, dir string, cluster [16]byte, region id.Region) error {
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return err
	}
	who := identity{Format: 1, Cluster: hex.EncodeToString(cluster[:]), Region: region, Replica: 1}
	return who.write(fsys, dir)
}
