package host

import (
	"math/rand/v2"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// TestAFrozenIncarnationIsRefilled: a group that lost its tail goes on under a new incarnation, and other regions give it back what it had
// stamped under the old one. Power is lost after every entry; what is opened then holds what the log says, whatever comes from the
// checkpoint and whatever from the log, and everything can be read again.
func TestAFrozenIncarnationIsRefilled(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	old, now := newFeed(id.Origin{}), newFeed(id.Origin{Incarnation: 1})
	mem := crashable.New()
	l := &logOf{t: t, opts: Options{FS: mem, Dir: "db", SegmentBytes: 4 << 10, RangeBytes: -1}}
	l.open()
	l.append(0, old.begin())
	for range 12 {
		l.append(len(l.pending), old.batch(feedViews(8)...))
	}
	l.commit(len(l.pending))
	var lost [][]byte
	for range 8 {
		lost = append(lost, old.batch(feedViews(8)...))
	}
	l.close()
	who, err := readIdentity(mem, "db")
	if err == nil {
		who.Incarnation++
		err = who.write(mem, "db")
	}
	if err != nil {
		t.Fatal(err)
	}
	l.open()
	now.clock = old.clock
	for len(lost) > 0 {
		entry := now.batch(feedViews(3)...)
		if rng.IntN(2) == 0 {
			if outcome, err := l.Engine.Offer(lost[0]); err != nil || outcome != engine.Applied {
				t.Fatalf("what was lost is offered: %v %v", outcome, err)
			}
			l.append(0, lost[0])
			lost = lost[1:]
			l.commit(1)
		}
		l.append(0, entry)
		l.commit(1)
		if rng.IntN(4) == 0 {
			l.follow()
		}
		want := engine.New(engine.Config{Origin: id.Origin{Region: 9}})
		for _, b := range l.all {
			if _, err := want.Apply(b); err != nil {
				t.Fatal(err)
			}
		}
		after := &logOf{t: t, opts: l.opts}
		after.opts.FS = mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		after.open()
		if after.Engine.Digest() != want.Digest() || l.Engine.Digest() != want.Digest() {
			t.Fatalf("after a crash at %v the state is another", want.Vector())
		}
		for _, o := range []id.Origin{old.origin, now.origin} {
			after.compare(o, 0, 2000)
			for seq := id.Seq(3); seq <= want.Vector().Get(o); seq += 5 {
				if _, err := after.Original(o.At(seq)); err != nil {
					t.Fatalf("original of %v: %v", o.At(seq), err)
				}
			}
		}
		after.close()
	}
	l.close()
}
