package bench

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
	"github.com/tidaldb/tidal/schema"
)

// startRedis starts a server that ends with the test, or skips the test. The Makefile prints the same on "make test",
// where skipped tests aren't shown.
func startRedis(t *testing.T) *Redis {
	t.Helper()
	path, err := FindRedis()
	if err != nil {
		t.Skipf("the peer's script isn't checked: %v", err)
	}
	r, err := StartRedis(t.Context(), path, filepath.Join(t.TempDir(), "redis"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestIngestWithRedisGivesRateAndRatio(t *testing.T) {
	if _, err := FindRedis(); err != nil {
		t.Skipf("the peer isn't measured: %v", err)
	}
	o, _ := smallIngest(t)
	o.Peer, o.Seconds, o.Rounds = "redis", 0.1, 1
	r, err := Ingest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range r.Runs {
		if len(run.Peers) != 1 || run.Ratio == nil {
			t.Fatalf("%+v", run)
		}
		p := run.Peers[0]
		if p.Name != "redis" || p.Version == "" || p.Durability != "appendfsync always" || p.PerSecond <= 0 ||
			math.Abs(*run.Ratio-run.PerSecond/p.PerSecond) > 0.01 || p.PerSecond != p.ByConnections[p.Connections] ||
			!slices.Equal(slices.Sorted(maps.Keys(p.ByConnections)), peerConnections()) {
			t.Errorf("%+v", p)
		}
		for _, rate := range p.ByConnections {
			if rate > p.PerSecond {
				t.Errorf("the best is %v of %v", p.PerSecond, p.ByConnections)
			}
		}
	}
	if r.Ratio == nil || *r.Ratio != *r.Runs[0].Ratio || r.Different != 0 {
		t.Errorf("%+v", r)
	}
}

// The script does the same work: after the same signals Redis and tidal hold the same counts and scores, of items and
// of cohorts, and the users' lists are what was sent.
func TestTheScriptCountsWhatTidalCounts(t *testing.T) {
	r := startRedis(t)
	w, err := workload.New(workload.Config{
		Seed: 3, Dist: workload.Zipf, Items: 40, Users: 20, Cohorts: 2, Spread: 40 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	client := &redisClient{resp: conn, script: r.script, w: w, source: w.Source(0)}
	db, err := tidal.Open(filepath.Join(t.TempDir(), "tidal"), workload.Schema(false), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	now := time.Now().UnixMilli()
	newest := int64(math.MinInt64)
	sent := map[string][]workload.Event{} // by key of a cell
	recent := map[string][]string{}
	seen := map[string]map[string]bool{}
	events := make([]workload.Event, Batch)
	for range 40 {
		client.source.Next(now, events)
		if err := client.write(events); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Write(t.Context(), tidal.Request{Records: asRecords(w, events, nil)}); err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			newest = max(newest, e.Time)
			name, user := w.Item(e.Item)+":"+workload.TypeName(e.Type), w.User(e.User)
			for _, cell := range append([]string{name}, prefixed(w.Cohorts(e.User), name)...) {
				sent[cell] = append(sent[cell], e)
			}
			recent[user] = append(recent[user], fmt.Sprintf("%s:%d", name, e.Time))
			if seen[user] == nil {
				seen[user] = map[string]bool{}
			}
			seen[user][w.Item(e.Item)] = true
		}
	}
	for name, events := range sent {
		checkRedisCell(t, conn, db, name, events, newest)
	}
	if size, err := conn.do("DBSIZE"); err != nil || size != int64(len(sent)+2*len(recent)) {
		t.Errorf("%v keys of %d cells and %d users: %v", size, len(sent), len(recent), err)
	}
	for user, all := range recent {
		slices.Reverse(all)
		got, err := conn.do("LRANGE", "recent:"+user, "0", "-1")
		if want := asAny(all[:min(64, len(all))]); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: recent %v, want %v: %v", user, got, want, err)
		}
		if n, err := conn.do("SCARD", "seen:"+user); err != nil || n != int64(len(seen[user])) {
			t.Errorf("%s saw %v, want %d: %v", user, n, len(seen[user]), err)
		}
	}
}

func prefixed(cohorts []string, name string) []string {
	var all []string
	for _, c := range cohorts {
		all = append(all, c+":"+name)
	}
	return all
}

func asAny(list []string) []any {
	var all []any
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// checkRedisCell compares a cell of Redis with its events and, if it's an item's, with tidal's.
func checkRedisCell(t *testing.T, c *resp, db *tidal.DB, name string, events []workload.Event, q int64) {
	t.Helper()
	reply, err := c.do("HGETALL", "cell:"+name)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := reply.([]any)
	fields := map[string]float64{}
	for i := 0; i+1 < len(list); i += 2 {
		v, err := strconv.ParseFloat(list[i+1].(string), 64)
		if err != nil {
			t.Fatalf("%s: %v", name, list)
		}
		fields[list[i].(string)] = v
	}
	half := workload.HalfLife(events[0].Type)
	got := reading{
		total: int64(fields["n"]), score: fields["s"] * math.Exp2(-(float64(q)-fields["t"])/float64(half.Milliseconds())),
	}
	for field, n := range fields {
		unit, err := strconv.ParseInt(field[1:], 10, 64)
		if err != nil {
			continue // s, t, n
		}
		for i, s := range spans() {
			if field[0] == "mhhd"[i] && unit > q/s.unit-s.n {
				got.windows[i] += int64(n)
			}
		}
	}
	want := expectedReading(events, half, q)
	if int64(fields["t"]) != latest(events) || !got.same(want) {
		t.Errorf("%s: redis has %v, want %+v", name, fields, want)
	}
	item, kind, _ := strings.Cut(name, ":")
	if !strings.HasPrefix(item, "item-") {
		return
	}
	own, err := db.Cell(t.Context(), item, kind, time.UnixMilli(q))
	tidals := reading{own.Total, [4]int64{
		own.Windows["1h"], own.Windows["24h"], own.Windows["7d"], own.Windows["30d"],
	}, own.Scores[schema.FormatDuration(half)]}
	if err != nil || !tidals.same(got) {
		t.Errorf("%s: tidal has %+v, redis %+v: %v", name, tidals, got, err)
	}
}

func TestAServerThatCannotStartSaysSo(t *testing.T) {
	if _, err := StartRedis(t.Context(), "/bin/false", t.TempDir()); err == nil || !strings.Contains(err.Error(), "ended at once") {
		t.Errorf("%v", err)
	}
	if _, err := StartRedis(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir()); err == nil {
		t.Error("a program that isn't there starts")
	}
}

func TestAServersErrorEndsTheLoad(t *testing.T) {
	r := startRedis(t)
	w, err := workload.New(workload.Config{Seed: 3, Dist: workload.Uniform, Items: 10})
	if err != nil {
		t.Fatal(err)
	}
	r.script = strings.Repeat("0", 40)
	if _, err := r.Load(t.Context(), w, 2, time.Minute); err == nil || !strings.Contains(err.Error(), "NOSCRIPT") {
		t.Errorf("%v", err)
	}
}

func parse(text string) (any, error) {
	c := &resp{in: bufio.NewReader(strings.NewReader(text))}
	return c.receive()
}

func TestRepliesAreRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"+OK\r\n", "OK"},
		{":-12\r\n", int64(-12)},
		{"$5\r\nab\r\nc\r\n", "ab\r\nc"},
		{"$-1\r\n", nil},
		{"*3\r\n:1\r\n$0\r\n\r\n*1\r\n+x\r\n", []any{int64(1), "", []any{"x"}}},
	} {
		if got, err := parse(c.text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, want %v: %v", c.text, got, c.want, err)
		}
	}
	for _, text := range []string{
		"", "+", "+OK\n", "-ERR no\r\n", "$5\r\nab", "$x\r\n", "$-2\r\n", "*99999999999\r\n", "?\r\n", "*1\r\n", "\r\n",
		strings.Repeat("*1\r\n", 1000),
	} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add("*2\r\n$1\r\na\r\n:7\r\n")
	f.Add("-ERR\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parse(text)
		if err != nil && v != nil {
			t.Errorf("%q: %v with %v", text, v, err)
		}
	})
}
