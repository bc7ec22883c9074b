package host

import (
	"testing"

	"github.com/tidaldb/tidal/internal/wal"
)

func TestTheNewestFilesOfALogUpToALimit(t *testing.T) {
	files := []wal.File{{First: 1, Last: 10, Bytes: 100}, {First: 11, Last: 20, Bytes: 50}, {First: 21, Last: 25, Bytes: 30}}
	for limit, want := range map[int64]uint64{0: 25, 29: 25, 30: 20, 79: 20, 80: 10, 179: 10, 180: 0, 1 << 30: 0} {
		if got := behindNewest(files, limit); got != want {
			t.Errorf("of %d bytes it begins behind entry %d, want %d", limit, got, want)
		}
	}
}
