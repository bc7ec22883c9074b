package lane

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// shelf is where a checkpoint keeps records.
type shelf map[string]string

// put takes the changes of a table in.
func (s shelf) put(t interface{ Fatalf(string, ...any) }, table *Table) {
	before := ""
	for key, value := range table.Changes {
		if string(key) <= before {
			t.Fatalf("key %q behind %q", key, before)
		}
		before = string(key)
		if value == nil {
			delete(s, before)
		} else {
			s[before] = string(value)
		}
	}
	for key := range table.Changes {
		t.Fatalf("%q changed since all was walked", key)
	}
}

// table makes one of the records.
func (s shelf) table(t interface{ Fatalf(string, ...any) }, opts Options) *Table {
	table := New(opts)
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if err := table.Restore([]byte(key), []byte(s[key])); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return table
}

// whole returns all records of a table.
func whole(t interface{ Fatalf(string, ...any) }, table *Table) shelf {
	fresh := New(table.opts)
	fresh.Track()
	for _, l := range table.byAge {
		clone := *l
		clone.trail = &trail{}
		for i := range l.runs {
			clone.touch(l.runs[i].first)
		}
		fresh.lanes[l.producer] = &clone
		fresh.changed(&clone)
	}
	for _, k := range table.keysByAge {
		clone := *k
		clone.listed = false
		fresh.keys[k.name] = &clone
		fresh.changedKey(&clone)
	}
	s := shelf{}
	s.put(t, fresh)
	return s
}

// step does one random thing to every table, and says what they answered.
func step(t *rapid.T, w *world, next map[string]uint64, tables ...*Table) {
	w.now += rapid.Int64Range(0, 120).Draw(t, "pause")
	p := rapid.SampledFrom([]string{"a", "b", "a\x00\x00\x00\x00\x00\x00\x00\x01", "d", ""}).Draw(t, "producer")
	own := rapid.Bool().Draw(t, "own")
	a := w.accept(map[bool]int{true: 0, false: 1}[own], id.Seq(rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "gap")),
		rapid.SampledFrom([]uint32{1, 1, 3}).Draw(t, "count"), rapid.Uint64Range(0, 2).Draw(t, "content"))
	var request uint64
	what := rapid.SampledFrom([]string{"go on", "go on", "back", "jump", "key", "expire", "wait"}).Draw(t, "what")
	switch what {
	case "go on":
		next[p] += rapid.SampledFrom([]uint64{1, 1, 2}).Draw(t, "by")
		request = next[p]
	case "back":
		request = max(1, next[p]-min(next[p], rapid.Uint64Range(0, 70).Draw(t, "back")))
		next[p] = max(next[p], request)
	case "jump":
		next[p] += rapid.SampledFrom([]uint64{70, 255, 256, 300}).Draw(t, "by")
		request = next[p]
	case "wait":
		w.now += rapid.Int64Range(0, 1200).Draw(t, "long pause")
	}
	var answers []string
	for _, table := range tables {
		var m Meeting
		switch what {
		case "key":
			m = table.AcceptKey("k"+p, a)
		case "expire", "wait":
			table.Expire(hlc.Make(w.now, 0))
		default:
			m = table.Accept(p, request, a)
		}
		answers = append(answers, fmt.Sprint(m))
	}
	if len(slices.Compact(answers)) > 1 {
		t.Fatalf("%s of %q: %q", what, p, answers)
	}
}

func TestATableRestoredFromItsChangesIsTheTableFromThenOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := drawOptions(t)
		table, kept := New(opts), shelf{}
		table.Track()
		w, next := world{now: 100_000}, map[string]uint64{}
		for range rapid.IntRange(1, 6).Draw(t, "checkpoints") {
			for range rapid.IntRange(0, 40).Draw(t, "steps") {
				step(t, &w, next, table)
			}
			kept.put(t, table)
			if want := whole(t, table); !maps.Equal(kept, want) {
				t.Fatalf("kept %q\n want %q", kept, want)
			}
			if rapid.Bool().Draw(t, "restart") {
				old := table
				table = kept.table(t, opts)
				table.Track()
				if !bytes.Equal(table.AppendBinary(nil), old.AppendBinary(nil)) {
					t.Fatalf("restored another table:\n%s\n%s", picture(table), picture(old))
				}
				for range rapid.IntRange(0, 40).Draw(t, "steps of both") {
					step(t, &w, next, table, old)
				}
				if !bytes.Equal(table.AppendBinary(nil), old.AppendBinary(nil)) {
					t.Fatalf("went different ways:\n%s\n%s", picture(table), picture(old))
				}
			}
		}
	})
}

func TestChangesThatWereNotWalkedToTheEndStay(t *testing.T) {
	table := New(Options{})
	table.Track()
	w := world{now: 1}
	for _, p := range []string{"b", "a", "c"} {
		table.Accept(p, 1, w.accept(0, 0, 1, 1))
	}
	for range table.Changes {
		break
	}
	kept := shelf{}
	kept.put(t, table)
	if keys := slices.Sorted(maps.Keys(kept)); !slices.Equal(keys, []string{"la", "lb", "lc"}) {
		t.Fatalf("second walk: %q", keys)
	}
}

// A producer whose requests don't follow each other in the log has a run for each. Of these a checkpoint writes the
// page where requests arrive and those where runs or hashes go, however many there are.
func TestACheckpointOfALongLaneWritesFewOfItsRuns(t *testing.T) {
	table := New(Options{MaxHashes: 1000})
	table.Track()
	w, kept := world{now: 1}, shelf{}
	for request := uint64(1); request <= 100_000; request++ {
		table.Accept("shared", request, w.accept(0, 1, 1, request))
	}
	kept.put(t, table)
	if len(kept) != 100_000/256+1 {
		t.Fatalf("%d records", len(kept))
	}
	table.Accept("shared", 100_001, w.accept(0, 1, 1, 7))
	written := 0
	for key, value := range table.Changes {
		written += len(key) + len(value)
	}
	if written > 16<<10 {
		t.Fatalf("one request writes %d bytes", written)
	}
}

func TestAForgottenLaneAndKeyAreYieldedWithoutAValue(t *testing.T) {
	table := New(Options{Horizon: 10, MaxLanes: 2})
	table.Track()
	w, kept := world{now: 1}, shelf{}
	table.Accept("a", 1, w.accept(0, 0, 1, 1))
	table.Accept("a", 300, w.accept(0, 9, 1, 1))
	table.Accept("b", 1, w.accept(0, 0, 1, 1))
	table.AcceptKey("k", w.accept(0, 0, 1, 1))
	kept.put(t, table)
	if keys := slices.Sorted(maps.Keys(kept)); !slices.Equal(keys, []string{"kk", "la", "lb", "ra" + zeros(8)}) {
		t.Fatalf("kept %q", keys)
	}
	table.Expire(hlc.Make(1000, 0))
	var gone []string
	for key, value := range table.Changes {
		if value == nil {
			gone = append(gone, string(key))
		}
	}
	if want := []string{"kk", "la", "ra" + zeros(8)}; !slices.Equal(gone, want) {
		t.Fatalf("gone %q, want %q", gone, want)
	}
}

func zeros(n int) string { return strings.Repeat("\x00", n) }

func TestRestoreRefusesWhatDoesNotFit(t *testing.T) {
	table := New(Options{})
	w := world{now: 1}
	table.Accept("a", 1, w.accept(0, 0, 1, 1))
	table.Accept("a", 300, w.accept(0, 9, 1, 1))
	table.Accept("a", 600, w.accept(0, 9, 1, 1))
	table.AcceptKey("k", w.accept(0, 0, 1, 1))
	kept := whole(t, table)
	page0, page1 := "ra"+zeros(8), "ra"+zeros(7)+"\x01"
	for name, refused := range map[string][]string{
		"a page before its lane":        {page0},
		"a lane twice":                  {"la", kept["la"], "la"},
		"a key twice":                   {"kk", kept["kk"], "kk"},
		"a page twice":                  {"la", kept["la"], page0, kept[page0], page0},
		"another page's runs":           {"la", kept["la"], page0, kept[page1]},
		"a page with nothing in it":     {"la", kept["la"], page0, "\x01\x00"},
		"the page of the lane's record": {"la", kept["la"], "ra" + zeros(7) + "\x02", kept[page1]},
		"another kind":                  {"x"},
		"no key":                        {""},
		"the key of a page cut short":   {"ra"},
	} {
		t.Run(name, func(t *testing.T) {
			into := New(Options{})
			for ; len(refused) > 2; refused = refused[2:] {
				if err := into.Restore([]byte(refused[0]), []byte(refused[1])); err != nil {
					t.Fatal(err)
				}
			}
			key, value := refused[0], kept[refused[0]]
			if len(refused) == 2 {
				value = refused[1]
			}
			before := into.AppendBinary(nil)
			if err := into.Restore([]byte(key), []byte(value)); !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("restored %q: %v", key, err)
			}
			if !bytes.Equal(into.AppendBinary(nil), before) {
				t.Fatal("the table changed")
			}
		})
	}
	if err := New(Options{}).Restore([]byte("ka"), []byte{3}); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Fatalf("version 3: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	records := whole(f, sample())
	for _, key := range slices.Sorted(maps.Keys(records)) {
		f.Add([]byte(key), []byte(records[key]))
	}
	long := New(Options{})
	w := world{now: 1}
	for request := uint64(1); request < 600; request += 100 {
		long.Accept("long", request, w.accept(0, 1, 1, 1))
	}
	pages := whole(f, long)
	for _, key := range slices.Sorted(maps.Keys(pages)) {
		f.Add([]byte(key), []byte(pages[key]))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		table := New(Options{MaxRuns: 4, MaxHashes: 2})
		if err := table.Restore([]byte("llong"), []byte(pages["llong"])); err != nil {
			t.Fatal(err)
		}
		if err := table.Restore(key, value); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := table.appendRecord(nil, string(key)); value[0] == encodingVersion && !bytes.Equal(again, value) {
			t.Fatalf("restored and encoded:\n%x\n%x", value, again)
		}
		if _, err := Decode(table.AppendBinary(nil), table.opts); err != nil {
			t.Fatal(err)
		}
		// What was restored is a table that works.
		table.Accept("long", 700, Accepted{Position: id.Position{Seq: 7}, Count: 1, HLC: hlc.Make(10, 0)})
		table.Expire(hlc.Make(1<<40, 0))
		if _, err := Decode(table.AppendBinary(nil), table.opts); err != nil {
			t.Fatal(err)
		}
	})
}
