package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// A member's directory isn't opened as a database of its own: it would wait for the others' votes.
func TestAMembersDirectoryIsNotOpenedAlone(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	f.same()
	for address, dir := range f.dirs {
		f.close(address)
		db, err := tidal.Open(dir, testSchema(), nil)
		if !errors.Is(err, tidal.ErrForeign) || !strings.Contains(err.Error(), "a group of 3") {
			t.Errorf("%s opens alone: %v", address, err)
		}
		if err == nil {
			_ = db.Close()
		}
		// Looking at it is fine.
		db, err = tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		f.start(address)
	}
}

// Who waits for others that aren't there can be told to stop waiting.
func TestAStartEndsWithItsContext(t *testing.T) {
	for _, region := range []bool{false, true} {
		c := Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", JoinTimeout: time.Hour}
		nobody := []string{"127.0.0.1:1"}
		if c.Join = nobody; region {
			c.Join, c.Region, c.RegionJoin = nil, "eu-west", nobody
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		m, err := StartContext(ctx, c)
		if !errors.Is(err, context.DeadlineExceeded) || m != nil {
			t.Errorf("%v: %v", region, err)
		}
		if _, err := StartContext(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a context that has ended begins nothing: %v", err)
		}
		cancel()
	}
}
