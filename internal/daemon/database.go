package daemon

import (
	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

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
