package testseed_test

import (
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/testseed"
)

// logged is a test that keeps what it's told.
type logged struct{ log, fatal string }

func (l *logged) Helper()                           {}
func (l *logged) Logf(format string, args ...any)   { l.log = fmt.Sprintf(format, args...) }
func (l *logged) Fatalf(format string, args ...any) { l.fatal = fmt.Sprintf(format, args...) }

func TestOf(t *testing.T) {
	t.Setenv("TIDAL_SEED", "18446744073709551615")
	var l logged
	if got := testseed.Of(&l); got != 1<<64-1 || l.log != "TIDAL_SEED=18446744073709551615" || l.fatal != "" {
		t.Errorf("%d, %+v", got, l)
	}
	for _, wrong := range []string{"-1", "1e3", "seed"} {
		t.Setenv("TIDAL_SEED", wrong)
		if testseed.Of(&l); l.fatal == "" {
			t.Errorf("%q is taken for a seed", wrong)
		}
		l.fatal = ""
	}
	t.Setenv("TIDAL_SEED", "")
	if got := testseed.Of(&l); l.log != fmt.Sprintf("TIDAL_SEED=%d", got) || l.fatal != "" {
		t.Errorf("%d, %+v", got, l)
	}
}
