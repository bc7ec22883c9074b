package tidal

import "github.com/tidaldb/tidal/internal/host"

// LogHeld is how much of the log stays behind the checkpoint, and for whom, as of the last time that it was looked at: zero
// before, which is up to an hour after the database is opened.
type LogHeld = host.LogHeld

// RegionHeld is how much of it one region lacks, in bytes.
type RegionHeld = host.RegionHeld
