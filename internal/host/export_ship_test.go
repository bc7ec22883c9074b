package host

import (
	"encoding/hex"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// RegionDir makes the directory of a region's first replica, or has one that is there go on as another incarnation.
func RegionDir(fsys vfs.FS, dir string, cluster [16]byte, o id.Origin) error {
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return err
	}
	who := identity{Format: 1, Cluster: hex.EncodeToString(cluster[:]), Region: o.Region, Incarnation: o.Incarnation, Replica: 1}
	return who.write(fsys, dir)
}
