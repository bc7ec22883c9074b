package main

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/schema"
)

// A restore warns of a backup of one of several regions that is older than a server keeps its log, if it isn't told how long.
func TestABackupIsTooOldBehindTheUsualRetention(t *testing.T) {
	setting, ok := config.Find("retention")
	if !ok {
		t.Fatal("there is no such setting")
	}
	if usual, err := schema.ParseDuration(setting.Default); err != nil || usual != usualRetention {
		t.Errorf("the usual retention is %v (%v), and taken for %v", usual, err, usualRetention)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		regions []string
		log     time.Duration
		age     time.Duration
		warns   bool
	}{
		{nil, 0, 30 * 24 * time.Hour, false},
		{[]string{"eu"}, 0, usualRetention, false},
		{[]string{"eu"}, 0, usualRetention + time.Hour, true},
		{[]string{"eu"}, 2 * usualRetention, usualRetention + time.Hour, false},
		{[]string{"eu", "us"}, 2 * usualRetention, 2*usualRetention + time.Hour, true},
	} {
		info := &tidal.BackupInfo{At: at, Regions: x.regions}
		if x.log != 0 {
			info.LogFrom = at.Add(-x.log)
		}
		if said := tooOld(info, at.Add(x.age)); (said != "") != x.warns {
			t.Errorf("%+v: it says %q", x, said)
		}
	}
}
