package cluster

import (
	"errors"
	"strings"
	"testing"

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
