package daemon

import (
	"fmt"
	"strings"

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

// databaseOf says what the settings want of the database: what it may have to be extended to, and how it is tuned.
func (d *daemon) databaseOf(c *config.Config) (*schema.Schema, *tidal.Options, error) {
	if c.DataDir == "" {
		return nil, nil, fault.Refuse("data-dir", "is empty; name the directory of the database")
	}
	var s *schema.Schema
	if c.Schema != "" {
		var err error
		if s, err = config.ReadSchema(c.Schema); err != nil {
			return nil, nil, err
		}
	}
	return s, &tidal.Options{
		Now: d.o.Now, MaxWaiting: c.MaxWaiting, UserMemory: c.UserMemory, Retention: c.Retention, LogLimit: c.LogLimit,
		CheckpointBytes: c.CheckpointBytes, CheckpointLag: c.CheckpointLag,
		Exports: tidal.ExportLimits{AlarmBytes: c.ExportAlarm, MaxBytes: c.ExportLimit, StaleAfter: c.ExportStale},
		Degrade: tidal.Degrade{
			FewerCandidates: c.DegradeCandidates, CoarseCounts: c.DegradeCounts, NoMixing: c.DegradeMixing,
		},
	}, nil
}

// openAlone opens the directory that the settings name, as they say, and listens.
func (d *daemon) openAlone(c *config.Config) error {
	s, opts, err := d.databaseOf(c)
	if err != nil {
		return err
	}
	if d.db, err = tidal.Open(c.DataDir, s, opts); err != nil {
		return err
	}
	d.late.Store(d.db)
	if here, others := regionsOf(d.db.Regions()); len(others) > 0 {
		d.o.Log.Warn("this is a region of a database that has others, and it's served alone: nothing comes from them or goes to them before "+
			"it's started with cluster-listen", "region", here, "others", strings.Join(others, ", "))
	}
	return d.listen(c)
}

// regionsOf names the own region, and the others that weren't removed.
func regionsOf(all []tidal.RegionStatus) (here string, others []string) {
	for i := range all {
		switch r := &all[i]; {
		case r.Own:
			here = r.Name
		case r.Role != tidal.RegionRemoved:
			others = append(others, r.Name)
		}
	}
	return here, others
}
