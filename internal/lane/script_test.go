package lane

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// TestScript runs testdata/lane.txt: commands, and the table as a picture. Rewrite it with -rewrite.
//
//	new      [horizon=] [window=] [max-lanes=] [max-runs=] [max-hashes=] [max-keys=]
//	check    lane= request= content=
//	accept   lane= request= count= content= at= now=
//	expire   now=
//	check and accept take key= instead of lane= and request=, too
//	store                                                  through the encoding, which it prints
//	changes                                                since the last time, as records
func TestScript(t *testing.T) {
	table := New(Options{})
	table.Track()
	datadriven.RunTest(t, "testdata/lane.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "new":
			table = New(scriptOptions(t, d))
			table.Track()
			return ""
		case "check":
			return scriptCheck(t, d, table)
		case "accept":
			return scriptAccept(t, d, table) + picture(table)
		case "expire":
			table.Expire(hlc.Make(number(t, d, "now"), 0))
			return picture(table)
		case "store":
			table = stored(t, table, table.opts)
			table.Track()
			return hex.Dump(table.AppendBinary(nil))
		case "changes":
			var b strings.Builder
			for key, value := range table.Changes {
				fmt.Fprintf(&b, "%q\n%s", key, hex.Dump(value))
			}
			return b.String()
		}
		return "unknown command"
	})
}

func number(t *testing.T, d *datadriven.TestData, name string) int64 {
	var v int64
	d.MaybeScanArgs(t, name, &v)
	return v
}

func scriptOptions(t *testing.T, d *datadriven.TestData) Options {
	return Options{
		Horizon: number(t, d, "horizon"), Window: uint64(number(t, d, "window")),
		MaxLanes: int(number(t, d, "max-lanes")), MaxRuns: int(number(t, d, "max-runs")),
		MaxHashes: int(number(t, d, "max-hashes")), MaxKeys: int(number(t, d, "max-keys")),
	}
}

func scriptCheck(t *testing.T, d *datadriven.TestData, table *Table) string {
	content := uint64(number(t, d, "content"))
	var v Verdict
	var err error
	if d.HasArg("key") {
		var name string
		d.ScanArgs(t, "key", &name)
		v, err = table.CheckKey(name, content)
	} else {
		var name string
		d.ScanArgs(t, "lane", &name)
		v, err = table.Check(name, uint64(number(t, d, "request")), content)
	}
	switch {
	case err != nil:
		return err.Error() + "\n"
	case v.Duplicate:
		return fmt.Sprintf("duplicate of %v ×%d\n", v.Position, v.Count)
	}
	return "fresh\n"
}

func scriptAccept(t *testing.T, d *datadriven.TestData, table *Table) string {
	var at string
	d.ScanArgs(t, "at", &at)
	p, err := id.ParsePosition(at)
	if err != nil {
		t.Fatal(err)
	}
	a := Accepted{
		Position: p, Count: uint32(max(1, number(t, d, "count"))), Content: uint64(number(t, d, "content")),
		HLC: hlc.Make(number(t, d, "now"), 0),
	}
	var m Meeting
	var name string
	if d.HasArg("key") {
		d.ScanArgs(t, "key", &name)
		m = table.AcceptKey(name, a)
	} else {
		d.ScanArgs(t, "lane", &name)
		m = table.Accept(name, uint64(number(t, d, "request")), a)
	}
	switch {
	case m.Reused:
		return "twice, with other content\n"
	case m.Twice && m.Falls.IsZero():
		return "twice, and nobody can tell which falls\n"
	case m.Twice:
		return fmt.Sprintf("twice: %v ×%d falls\n", m.Falls, m.Count)
	}
	return ""
}

// picture draws a table: a line per lane with its window, newest request left, and a line per run.
func picture(table *Table) string {
	var b strings.Builder
	for _, l := range sorted(table) {
		fmt.Fprintf(&b, "lane %s high=%d window=%b", l.producer, l.high, l.window)
		if l.floor > 0 {
			fmt.Fprintf(&b, " floor=%d", l.floor)
		}
		b.WriteByte('\n')
		for _, r := range l.runs {
			fmt.Fprintf(&b, "  %d–%d ×%d from %v until %v known=", r.first, r.end(), r.count, r.pos, r.newest)
			for i, k := range r.known {
				fmt.Fprintf(&b, "%s%x at %v", map[bool]string{true: ", "}[i > 0], k.content, k.stamp)
			}
			b.WriteByte('\n')
		}
	}
	for _, k := range table.keysByAge {
		fmt.Fprintf(&b, "key %s %v ×%d content=%x at %v\n", k.name, k.Position, k.Count, k.Content, k.HLC)
	}
	if b.Len() == 0 {
		return "empty\n"
	}
	return b.String()
}

func sorted(table *Table) []*lane {
	list := slices.Clone([]*lane(table.byAge))
	slices.SortFunc(list, func(a, b *lane) int { return cmp.Compare(a.producer, b.producer) })
	return list
}
