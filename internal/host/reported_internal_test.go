package host

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/vfs"
)

const reportsGolden = `{
  "format": 1,
  "cluster": "742d82ee618124d8370b852dfc4074c3",
  "regions": [
    {
      "region": 1,
      "at": 1790000000123,
      "firm": false,
      "vector": "0:0:17,1:0.3:812"
    },
    {
      "region": 2,
      "at": 1789999000000,
      "firm": true,
      "vector": "-"
    }
  ],
  "sum": "3e2e8717"
}
`

func goldenReports() []storedReport {
	v := id.VersionVector{}.With(id.Origin{}, 17).With(id.Origin{Region: 1, Incarnation: 3}, 812)
	return []storedReport{{region: 1, vector: v, at: 1_790_000_000_123}, {region: 2, at: 1_789_999_000_000, firm: true}}
}

func TestReportsGolden(t *testing.T) {
	list := goldenReports()
	if got := string(encodeReports("742d82ee618124d8370b852dfc4074c3", list)); got != reportsGolden {
		t.Errorf("they are\n%snot\n%s", got, reportsGolden)
	}
	cluster, got, err := decodeReports("REPORTS", []byte(reportsGolden))
	if err != nil || cluster != "742d82ee618124d8370b852dfc4074c3" || !reflect.DeepEqual(got, list) {
		t.Errorf("read back as %v of %s, %v", got, cluster, err)
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	sealed := func(f reportsFile) string {
		f.Format = reportsFormat
		f.Sum = f.sum()
		return string(encodeNote(f))
	}
	twice := sealed(reportsFile{Regions: []reportText{{Region: 2, Vector: "-"}, {Region: 2, Vector: "-"}}})
	for text, want := range map[string]error{
		``:                           fault.ErrCorrupt,
		`{"format": 2, "new": true}`: fault.ErrFormatTooNew,
		`{"format": 1, "other": 3}`:  fault.ErrCorrupt,
		twice:                        fault.ErrCorrupt,
		reportsGolden + " ":          fault.ErrCorrupt,
		sealed(reportsFile{Regions: []reportText{{Region: 2, Vector: "0:0:x"}}}): fault.ErrCorrupt,
		sealed(reportsFile{}): fault.ErrCorrupt, // null is no list
	} {
		if _, _, err := decodeReports("REPORTS", []byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for i := range reportsGolden {
		b := []byte(reportsGolden)
		b[i] ^= 1
		if _, _, err := decodeReports("REPORTS", b); err == nil {
			t.Errorf("with another byte %d they are read", i)
		}
	}
}

func FuzzDecodeReports(f *testing.F) {
	f.Add([]byte(reportsGolden))
	f.Add([]byte(`{"format": 1, "regions": [{"region": -1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		cluster, list, err := decodeReports("REPORTS", b)
		if err == nil && string(encodeReports(cluster, list)) != string(b) {
			t.Errorf("%q is read as %v", b, list)
		}
	})
}

// heard is what regions 3 and 7 said, as old as given.
func (c *crowded) heard(away id.VersionVector, age time.Duration, firm bool) {
	list := heardOf(c.Engine.Vector(), away)
	for i := range list {
		list[i].Age, list[i].Firm = age, firm
	}
	c.RegionsReport(list)
}

// TestWhatWasReportedIsKnownAfterARestart: a region that is dead by then is known to stand where it stood, and ranges are made up to
// there and from there on. If it may have got further before the restart, what was here by then is kept as batches.
func TestWhatWasReportedIsKnownAfterARestart(t *testing.T) {
	for name, x := range map[string]struct {
		firm, later bool // later: what is let go was written after the restart
		ranges      bool
	}{
		"firm": {firm: true, ranges: true}, "loose": {}, "loose, of what came later": {later: true, ranges: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := crowdIn(t, pebblevfs.NewMem(), false, 32<<10)
			defer func() { c.close() }()
			stood := c.somewhere(rand.New(rand.NewPCG(testseed.Of(t), 1)), 3)
			limit := c.Base.opts.Retention.SizeLimit
			c.opts.Retention.SizeLimit, c.Base.opts.Retention.SizeLimit = 0, 0
			if x.later { // it had all that there was, and its word may not have been the last
				stood = c.Engine.Vector()
			}
			c.heard(stood, time.Minute, x.firm)
			c.let(t)
			c.close()
			c.opts.Retention.SizeLimit = limit
			c.open()
			if got := c.standings(); len(got) != 2 || !got[1].at.Equal(stood) || got[1].loose == x.firm || got[1].has.Len() > 0 {
				t.Fatalf("after a restart it's known that %+v, and it stood at %v", got, stood)
			}
			if x.later {
				c.caughtUp.Store(true)
				for range 400 {
					c.append(len(c.pending), c.own.batch(feedViews(20)...))
				}
				c.commit(len(c.pending))
			}
			c.let(t)
			if got := c.ownRanges(); (got > 0) != x.ranges {
				t.Errorf("%d pieces are ranges", got)
			}
			if !x.firm {
				return
			}
			e := c.receiver(t, c.all, stood)
			if _, overlaps := c.catchUp(t, e, c.all); overlaps > 0 || e.Digest() != c.Engine.Digest() {
				t.Errorf("%d ranges begin in front of where it stands, or its state is another", overlaps)
			}
		})
	}
}

// ownRanges is how many pieces are ranges of what is stamped here.
func (c *crowded) ownRanges() (n int) {
	for _, p := range c.Streams().pieces {
		if p.Origin == c.own.origin && p.Form == remnant.Range {
			n++
		}
	}
	return n
}

// TestWhoWasAwayKeepsWhatItStandsOn: whether the others know where this replica stands it can't know, so nothing goes because of what
// they had said before it was started, until it has caught up.
func TestWhoWasAwayKeepsWhatItStandsOn(t *testing.T) {
	c := crowd(t, pebblevfs.NewMem(), false)
	defer func() { c.close() }()
	limit := c.Base.opts.Retention.SizeLimit
	c.opts.Retention.SizeLimit, c.Base.opts.Retention.SizeLimit = 0, 0
	c.Base.opts.Retention.Retention = 1 << 50 // everything is young
	c.heard(c.Engine.Vector(), time.Minute, true)
	c.let(t)
	c.close()
	c.opts.Retention.SizeLimit = limit
	c.open()
	c.let(t)
	first := c.ends[c.own.origin][2]
	if _, err := c.Streams().Read(c.own.origin, first, 1000); errors.Is(err, fault.ErrGone) {
		if _, err = c.Streams().Range(c.own.origin, first, 1<<20); err != nil {
			t.Fatalf("what the others had said they have is gone: %v", err)
		}
	}
	if _, n := c.Streams().pieceBytes(); n == 0 {
		t.Fatal("the log is too large, and nothing was kept beside it")
	}
	c.caughtUp.Store(true)
	c.let(t)
	if _, n := c.Streams().pieceBytes(); n > 0 {
		t.Errorf("it has caught up, and %d pieces are left that the others have", n)
	}
}

// TestReportsAreWrittenWhenTheyHaveChanged and not more often than bounded, but for the last time.
func TestReportsAreWrittenWhenTheyHaveChanged(t *testing.T) {
	mem := pebblevfs.NewMem()
	c := crowd(t, mem, false)
	defer func() { c.close() }()
	now := c.opts.Now()
	c.Base.opts.Now = func() time.Time { return now }
	file := func() string {
		b, _, err := readUpTo(mem, "db/REPORTS", 0)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	keep := func(last bool) {
		if err := c.keepReports(last); err != nil {
			t.Fatal(err)
		}
	}
	none := file()
	if keep(true); file() != none {
		t.Fatalf("nothing was heard, and the file has %s", file())
	}
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	c.heard(c.somewhere(rng, 3), 0, false)
	keep(false)
	first := file()
	c.heard(c.Engine.Vector(), time.Hour, true)
	if keep(false); first == none || file() != first {
		t.Fatalf("at once again it's written anew: %s", file())
	}
	now = now.Add(reportsEvery)
	keep(false)
	second := file()
	now = now.Add(time.Hour)
	c.heard(c.Engine.Vector(), 2*time.Hour, true)
	if keep(true); second == first || file() != second {
		t.Fatalf("nothing has changed, and it's written anew: %s", file())
	}
	c.heard(c.Engine.Vector(), 0, false)
	keep(false)
	third := file()
	c.heard(c.Engine.Vector(), time.Hour, true)
	if keep(true); third == second || file() == third {
		t.Fatalf("the last time it's written in any case: %s", file())
	}
}

// TestReportsOnAFullDiskStayAsTheyAre, and are written once there is room; a disk that fails is said to.
func TestReportsOnAFullDiskStayAsTheyAre(t *testing.T) {
	mem := pebblevfs.NewMem()
	var failing error
	c := crowd(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, "REPORTS.tmp") {
			return failing
		}
		return nil
	})), false)
	defer func() { c.close() }()
	now := c.opts.Now()
	c.Base.opts.Now = func() time.Time { return now }
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	said := func() []storedReport {
		list, err := readReports(mem, "db", c.identity.Cluster)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	c.heard(c.somewhere(rng, 3), 0, false)
	if err := c.keepReports(true); err != nil || len(said()) != 2 {
		t.Fatalf("%v is written: %v", said(), err)
	}
	before := said()
	c.heard(c.Engine.Vector(), 0, false)
	failing = syscall.ENOSPC
	if err := c.keepReports(true); err != nil || !reflect.DeepEqual(said(), before) {
		t.Errorf("on a full disk %v is there: %v", said(), err)
	}
	failing = syscall.EIO
	if err := c.keepReports(true); !errors.Is(err, fault.ErrDisk) || !reflect.DeepEqual(said(), before) {
		t.Errorf("on one that fails %v is there: %v", said(), err)
	}
	failing = nil
	now = now.Add(reportsEvery)
	if err := c.keepReports(false); err != nil || !said()[1].vector.Equal(c.Engine.Vector()) {
		t.Errorf("with room again %v is there: %v", said(), err)
	}
}

// TestADamagedFileOfReportsIsAsGoodAsNone: the database opens, and nothing is known; verifying it says what is wrong. One of a newer
// program is refused.
func TestADamagedFileOfReportsIsAsGoodAsNone(t *testing.T) {
	mem := pebblevfs.NewMem()
	c := crowd(t, mem, false)
	c.heard(c.Engine.Vector(), time.Minute, true)
	c.let(t)
	whole, _, err := readUpTo(mem, "db/REPORTS", 0)
	if err != nil || VerifyReports(mem, "db") != nil {
		t.Fatalf("%s: %v", whole, errors.Join(err, VerifyReports(mem, "db")))
	}
	c.close()
	for text, want := range map[string]error{
		string(whole[:len(whole)/2]): fault.ErrCorrupt,
		string(encodeReports("742d82ee618124d8370b852dfc4074c3", goldenReports())): fault.ErrForeign,
	} {
		if err := vfs.WriteFileAtomic(mem, "db/REPORTS", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := VerifyReports(mem, "db"); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
		c.open()
		if got := c.standings(); got[1].at.Len() > 0 {
			t.Errorf("%q: it's known that %+v", text, got)
		}
		c.heard(c.Engine.Vector(), time.Minute, true)
		c.let(t)
		c.close()
		if err := VerifyReports(mem, "db"); err != nil {
			t.Errorf("it isn't written anew: %v", err)
		}
	}
	if err := vfs.WriteFileAtomic(mem, "db/REPORTS", []byte(`{"format": 2}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBase(c.opts); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("a newer one: %v", err)
	}
}
