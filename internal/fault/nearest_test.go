package fault_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestNearest(t *testing.T) {
	known := []string{"view", "like", "share", "published"}
	for wrong, want := range map[string]string{
		"veiw": "view", "shar": "share", "Like": "like", "publshed": "published", "puplishd": "published",
		"view": "view", "xx": "", "v": "", "": "", "lk": "", "skip": "", "lkie": "like", "shrae": "share", "iv": "", "publication": "",
	} {
		if got := fault.Nearest(wrong, known); got != want {
			t.Errorf("%q: %q, want %q", wrong, got, want)
		}
	}
}
