package tidaltest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/tidaltest"
)

// A test of an application's own: what was liked counts within the window of a day, and no longer behind it.
func Example() {
	test := func(t *testing.T) {
		db := tidaltest.New(t, nil)
		db.Must(tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"})
		db.Clock.Advance(25 * time.Hour)
		cell, err := db.Cell(t.Context(), "jazz-101", "like", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(cell.Total, "in all,", cell.Windows["24h"], "of the last 24 hours")
	}
	// go test runs it; here it runs itself.
	testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Feed", F: test}})
	// Output: 1 in all, 0 of the last 24 hours
}
