package daemon

import (
	"fmt"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/schema"
)

// diskFree is how much room the disk of the directory has.
func (d *daemon) diskFree() (uint64, error) {
	usage, err := vfs.Default.GetDiskUsage(d.dir)
	if err != nil {
		return 0, fmt.Errorf("ask how much room there is: %w", err)
	}
	return usage.AvailBytes, nil
}

// openDatabase opens the directory that the settings name, as they say.
func openDatabase(c *config.Config) (*tidal.DB, error) {
	if c.DataDir == "" {
		return nil, fault.Refuse("data-dir", "is empty; name the directory of the database")
	}
	var s *schema.Schema
	if c.Schema != "" {
		var err error
		if s, err = config.ReadSchema(c.Schema); err != nil {
			return nil, err
		}
	}
	return tidal.Open(c.DataDir, s, &tidal.Options{
		MaxWaiting: c.MaxWaiting, UserMemory: c.UserMemory, Retention: c.Retention,
		CheckpointBytes: c.CheckpointBytes, CheckpointLag: c.CheckpointLag,
		Exports: tidal.ExportLimits{AlarmBytes: c.ExportAlarm, MaxBytes: c.ExportLimit, StaleAfter: c.ExportStale},
		Degrade: tidal.Degrade{
			FewerCandidates: c.DegradeCandidates, CoarseCounts: c.DegradeCounts, NoMixing: c.DegradeMixing,
		},
	})
}
