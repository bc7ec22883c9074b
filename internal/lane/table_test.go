package lane

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// verdict puts an answer into the oracle's words.
func verdict(v Verdict, err error) string {
	switch {
	case errors.Is(err, fault.ErrKeyReused):
		return "reused"
	case errors.Is(err, fault.ErrRetryTooOld):
		return "old"
	case errors.Is(err, fault.ErrOverloaded):
		return "full"
	case err != nil:
		return err.Error()
	case v.Duplicate:
		return "duplicate"
	}
	return "fresh"
}

// world makes accepted requests: three origins that count on.
type world struct {
	seq [3]id.Seq
	now int64
}

func (w *world) origin(i int) id.Origin { return id.Origin{Region: id.Region(i)} }

// accept returns the next request of an origin. A gap in front of it breaks a run.
func (w *world) accept(origin int, gap id.Seq, count uint32, content uint64) Accepted {
	a := Accepted{
		Position: w.origin(origin).At(w.seq[origin] + 1 + gap), Count: count, Content: content,
		HLC: hlc.Make(w.now, 0),
	}
	w.seq[origin] += gap + id.Seq(count)
	return a
}

func drawOptions(t *rapid.T) Options {
	return Options{
		Horizon:   1000,
		Window:    rapid.SampledFrom([]uint64{1, 5, 64}).Draw(t, "window"),
		MaxLanes:  rapid.SampledFrom([]int{0, 2, 4}).Draw(t, "lanes"),
		MaxRuns:   rapid.SampledFrom([]int{0, 1, 7, 20}).Draw(t, "runs"),
		MaxHashes: rapid.SampledFrom([]int{0, 1, 6}).Draw(t, "hashes"),
		MaxKeys:   rapid.SampledFrom([]int{0, 3}).Draw(t, "keys"),
	}
}

func TestTableAnswersAsAnOracleThatRemembersEverything(t *testing.T) {
	producers := []string{"a", "b", "c", "d", "e"}
	rapid.Check(t, func(t *rapid.T) {
		opts := drawOptions(t)
		table, oracle, w := New(opts), newOracle(opts), world{now: 100_000}
		next := map[string]uint64{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.now += rapid.Int64Range(0, 120).Draw(t, "pause")
			p := rapid.SampledFrom(producers).Draw(t, "producer")
			origin := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "origin")
			a := w.accept(origin, id.Seq(rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "gap")),
				rapid.SampledFrom([]uint32{1, 1, 3}).Draw(t, "count"), rapid.Uint64Range(0, 2).Draw(t, "content"))
			steps := []string{"go on", "go on", "go on", "any", "jump", "key", "expire", "store"}
			switch rapid.SampledFrom(steps).Draw(t, "what") {
			case "go on":
				next[p]++
				same(t, table, oracle, p, next[p], a)
			case "any":
				same(t, table, oracle, p, rapid.Uint64Range(1, next[p]+3).Draw(t, "request"), a)
			case "jump":
				next[p] += rapid.Uint64Range(2, 70).Draw(t, "jump")
				same(t, table, oracle, p, next[p], a)
			case "key":
				name := "k" + p
				if got, want := table.AcceptKey(name, a), oracle.acceptKey(name, a); got != want {
					t.Fatalf("key %s: %+v, want %+v", name, got, want)
				}
			case "expire":
				w.now += rapid.Int64Range(0, 900).Draw(t, "long pause")
				table.Expire(hlc.Make(w.now, 0))
				oracle.expire(hlc.Make(w.now, 0))
			case "store":
				table = stored(t, table, opts)
			}
			compare(t, table, oracle, producers)
		}
		stored(t, table, opts)
	})
}

func same(t *rapid.T, table *Table, oracle *oracle, p string, request uint64, a Accepted) {
	if got, want := table.Accept(p, request, a), oracle.accept(p, request, a); got != want {
		t.Fatalf("request %d of %s: %+v, want %+v", request, p, got, want)
	}
}

// stored takes a table through its encoding.
func stored(t interface{ Fatal(...any) }, table *Table, opts Options) *Table {
	data := table.AppendBinary(nil)
	again, err := Decode(data, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.AppendBinary(nil), data) {
		t.Fatal("a decoded table encodes differently")
	}
	return again
}

func compare(t *rapid.T, table *Table, oracle *oracle, producers []string) {
	for _, p := range producers {
		high, ok := table.HighWater(p)
		if l := oracle.lanes[p]; ok != (l != nil) || ok && high != l.high() {
			t.Fatalf("high-water of %s is %d %v", p, high, ok)
		}
		for request := uint64(1); request <= high+2; request++ {
			for content := range uint64(3) {
				v, err := table.Check(p, request, content)
				what, at, count := oracle.check(p, request, content)
				if verdict(v, err) != what || v.Position != at || v.Count != count {
					t.Fatalf("request %d of %s with content %d: %s %v ×%d, want %s %v ×%d",
						request, p, content, verdict(v, err), v.Position, v.Count, what, at, count)
				}
				first, n, found := table.FindRequest(p, request)
				if known := v.Duplicate || errors.Is(err, fault.ErrKeyReused); found != known ||
					v.Duplicate && (first != v.Position || n != v.Count) {
					t.Fatalf("request %d of %s is found: %v at %v ×%d, checked: %+v", request, p, found, first, n, v)
				}
			}
		}
		v, err := table.CheckKey("k"+p, 1)
		if at, found := table.FindKey("k" + p); found != (oracle.keys["k"+p] != nil) || v.Duplicate && at != v.Position {
			t.Fatalf("key k%s is found: %v at %v, checked: %+v, %v", p, found, at, v, err)
		}
		if what, at, count := oracle.checkKey("k"+p, 1); verdict(v, err) != what || v.Position != at || v.Count != count {
			t.Fatalf("key k%s: %s %v, want %s %v", p, verdict(v, err), v.Position, what, at)
		}
	}
	lanes, runs, keys := table.Len()
	if lanes != len(oracle.lanes) || runs != oracle.runs() || keys != len(oracle.keys) {
		t.Fatalf("%d lanes, %d runs, %d keys; want %d, %d, %d",
			lanes, runs, keys, len(oracle.lanes), oracle.runs(), len(oracle.keys))
	}
}

func TestEqualTablesHaveEqualBytesHoweverTheyCameAbout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w world
		var all []Accepted
		n := rapid.IntRange(1, 30).Draw(t, "requests")
		for i := range n {
			w.now = int64(i)
			all = append(all, w.accept(0, 0, 2, uint64(i)))
		}
		order := rapid.Permutation(indexes(n)).Draw(t, "order")
		one, two := New(Options{}), New(Options{})
		for i, a := range all {
			one.Accept("p", uint64(i+1), a)
		}
		for _, i := range order {
			two.Accept("p", uint64(i+1), all[i])
		}
		if !bytes.Equal(one.AppendBinary(nil), two.AppendBinary(nil)) {
			t.Fatal("the order of accepting shows")
		}
		if _, runs, _ := two.Len(); runs != 1 {
			t.Fatalf("%d runs instead of one", runs)
		}
	})
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestAGrowingRunCostsNoMemoryBeyondItsHashes(t *testing.T) {
	table := New(Options{MaxHashes: 16})
	w := world{}
	for request := uint64(1); request <= 100_000; request++ {
		table.Accept("p", request, w.accept(0, 0, 64, request))
	}
	_, runs, _ := table.Len()
	if size := len(table.AppendBinary(nil)); runs != 1 || size > 300 {
		t.Fatalf("%d runs in %d bytes", runs, size)
	}
	if v, err := table.Check("p", 50_000, 1); err != nil || v.Position.Seq != 49_999*64+1 {
		t.Fatalf("request 50,000: %+v, %v", v, err)
	}
}

func TestMisuseIsOurOwnMistake(t *testing.T) {
	for name, call := range map[string]func(){
		"no position":   func() { New(Options{}).Accept("p", 1, Accepted{Count: 1}) },
		"no records":    func() { New(Options{}).Accept("p", 1, Accepted{Position: id.Position{Seq: 1}}) },
		"request 0":     func() { New(Options{}).Accept("p", 0, Accepted{Position: id.Position{Seq: 1}, Count: 1}) },
		"a wide window": func() { New(Options{Window: 65}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			call()
		})
	}
	if _, err := New(Options{}).Check("p", 0, 0); !errors.Is(err, fault.ErrInput) {
		t.Errorf("request 0 from a client: %v", err)
	}
}

func ExampleTable() {
	table := New(Options{})
	fresh, _ := table.Check("phone-17", 1, 0xabc)
	fmt.Println("first try is a duplicate:", fresh.Duplicate)

	table.Accept("phone-17", 1, Accepted{Position: id.Position{Seq: 500}, Count: 3, Content: 0xabc, HLC: hlc.Make(1000, 0)})
	retry, _ := table.Check("phone-17", 1, 0xabc)
	fmt.Println("retry is a duplicate:", retry.Duplicate, "at", retry.Position, "with", retry.Count, "records")

	_, err := table.Check("phone-17", 1, 0xdef)
	fmt.Println(err)
	// Output:
	// first try is a duplicate: false
	// retry is a duplicate: true at 0:0:500 with 3 records
	// check request 1 of lane "phone-17": request was accepted before with other content
}

// TestOfAllCopiesTheFirstStands: whatever the order in which the copies of a request arrive, by lane or by key, those that
// are named as falling are all but the one with the lowest stamp and origin.
func TestOfAllCopiesTheFirstStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(t, "copies")
		copies := make([]Accepted, n)
		for i := range copies {
			copies[i] = Accepted{
				Position: id.Position{Region: id.Region(i), Seq: id.Seq(rapid.Uint64Range(1, 9).Draw(t, "seq"))},
				Count:    2, Content: 7, HLC: hlc.Make(rapid.Int64Range(1, 3).Draw(t, "stamp"), 0),
			}
		}
		first := copies[0]
		for _, c := range copies {
			if c.before(&first) {
				first = c
			}
		}
		table, fell := New(Options{}), map[id.Position]bool{}
		byKey := rapid.Bool().Draw(t, "key")
		for _, i := range rapid.Permutation(indexes(n)).Draw(t, "order") {
			var m Meeting
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				if byKey {
					m = table.AcceptKey("k", copies[i])
				} else {
					m = table.Accept("p", 3, copies[i])
				}
				if m.Twice {
					fell[m.Falls] = true
				}
			}
		}
		if len(fell) != n-1 || fell[first.Position] {
			t.Fatalf("of %v the first is %v; fallen are %v", copies, first.Position, fell)
		}
	})
}
