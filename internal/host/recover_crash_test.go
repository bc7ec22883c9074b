package host_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// powerLoss takes one copy of a disk, before its nth change.
type powerLoss struct {
	mem   *crashable.FS
	rng   *rand.Rand
	at, n int
	image *crashable.FS // nil if there weren't so many changes
	when  string
}

func (p *powerLoss) observe(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	if p.n++; p.n == p.at {
		p.when = fmt.Sprintf("before change %d, of %s", p.n, op.Path)
		p.image = p.mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: p.rng})
	}
	return nil
}

// Power is lost at some of the changes that a recovery makes. The next one goes on, and until then nothing else opens the directory
// under another history.
func TestARecoveryGoesOnAfterAPowerLoss(t *testing.T) {
	g, left := bereave(t)
	mem := g.disks[left].(*crashable.FS)
	rng := rand.New(rand.NewPCG(seed(t), 1))
	whole := pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}
	step := 6 // in six runs, about, each of them
	if testing.Short() {
		step = 120
	}
	for at := 1 + rng.IntN(step); ; at += step {
		disk := mem.CrashClone(whole)
		p := &powerLoss{mem: disk, rng: rng, at: at}
		fs := errorfs.Wrap(disk, errorfs.InjectorFunc(p.observe))
		if _, err := host.Recover(t.Context(), host.RecoverOptions{FS: fs, Dir: "db", AcceptLoss: true}); err != nil {
			t.Fatal(err)
		}
		if p.image == nil {
			t.Logf("a recovery makes %d changes", p.n)
			return
		}
		goesOn(t, p)
	}
}

func goesOn(t *testing.T, p *powerLoss) {
	t.Helper()
	_, err := host.Recover(t.Context(), host.RecoverOptions{FS: p.image, Dir: "db", AcceptLoss: true})
	if err != nil && !errorIsSingle(err) {
		t.Fatalf("%s: %v", p.when, err)
	}
	r, err := host.Open(t.Context(), host.Options{FS: p.image, Dir: "db"})
	if err != nil {
		t.Fatalf("%s: %v", p.when, err)
	}
	for i := range 10 {
		if got := total(t, r, fmt.Sprint("agreed ", i)); got != 1 {
			t.Errorf("%s: agreed %d counts %d times", p.when, i, got)
		}
	}
	if got := total(t, r, "open 0"); got != 1 {
		t.Errorf("%s: what lay above the commit counts %d times", p.when, got)
	}
	if r.Origin().Incarnation != 1 {
		t.Errorf("%s: it goes on as %v", p.when, r.Origin())
	}
	mustClose(t, r)
}

// errorIsSingle reports whether a recovery was through when power was lost.
func errorIsSingle(err error) bool {
	return errors.Is(err, fault.ErrInput)
}
