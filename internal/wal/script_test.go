package wal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// script is the world of one data-driven test: a disk and perhaps an open log.
type script struct {
	t   *testing.T
	mem *crashable.FS
	log *Log
}

// TestScripts runs testdata/scripts: commands on a log, answered by pictures of its files. The commands are below.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &script{t: t, mem: crashable.New()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out, err := s.command(d)
			if err != nil {
				out += "error: " + err.Error() + "\n"
			}
			if out == "" {
				out = "ok\n"
			}
			return out
		})
	})
}

func (s *script) command(d *datadriven.TestData) (string, error) {
	num := func(key string) (n int) {
		if d.HasArg(key) {
			d.ScanArgs(s.t, key, &n)
		}
		return n
	}
	switch d.Cmd {
	case "open": // open [bytes=N] [readonly] [shard=N]
		return s.open(int64(num("bytes")), d.HasArg("readonly"), num("shard"))
	case "append": // lines "index/term [text]", or "hs term vote commit" at the end
		return "", s.append(d.Input)
	case "sync":
		return "", s.log.Sync()
	case "mark":
		return "", s.log.Mark()
	case "truncate": // truncate from=N
		return "", s.log.Truncate(uint64(num("from")))
	case "release": // release below=N
		return "", s.log.Release(uint64(num("below")))
	case "reset": // reset index=N term=N
		return "", s.log.Reset(uint64(num("index")), uint64(num("term")))
	case "close":
		return "", s.log.Close()
	case "kill": // the process ends, the machine goes on
		return "", s.log.release()
	case "crash": // power loss: only what was synced is left
		s.mem = s.mem.CrashClone(pebblevfs.CrashCloneCfg{})
		return "", nil
	case "flip", "zero": // flip file=NAME at=N, zero file=NAME at=N length=N
		return "", s.damage(d, num("at"), num("length"))
	case "remove": // remove file=NAME
		var name string
		d.ScanArgs(s.t, "file", &name)
		return "", s.mem.Remove("wal/" + name)
	case "files":
		return s.files(), nil
	case "dump":
		var b strings.Builder
		_ = Dump(s.mem, "wal", nil, &b) // its error is its last line
		return b.String(), nil
	case "entries":
		return s.entries()
	case "verify":
		r, err := Verify(s.mem, "wal")
		return fmt.Sprintf("%d to %d, %d files, %d bytes, %d records, %d entries, torn %d, unused %q\n",
			r.FirstIndex, r.LastIndex, r.Segments, r.Bytes, r.Records, r.Entries, r.TornBytes, r.Unused), err
	case "cut":
		loss, err := Cut(s.mem, "wal", 0)
		var b strings.Builder
		for _, c := range loss.Damage {
			fmt.Fprintf(&b, "%v\n", c)
		}
		fmt.Fprintf(&b, "left up to %d, seen up to %d, set aside %q\n", loss.LastIndex, loss.LastSeen, loss.SetAside)
		return b.String(), err
	}
	s.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return "", nil
}

func (s *script) open(bytes int64, readOnly bool, shard int) (string, error) {
	who := testIdentity
	if shard > 0 {
		who.Shard += 1
	}
	log, found, err := Open(Options{FS: s.mem, Dir: "wal", Identity: who, SegmentBytes: bytes, ReadOnly: readOnly})
	if err != nil {
		return "", err
	}
	s.log = log
	out := fmt.Sprintf("%d to %d, hard state %v, %d files",
		found.FirstIndex, found.LastIndex, found.HardState, found.Segments)
	if found.Created {
		out += ", created"
	}
	if found.TornBytes > 0 {
		out += fmt.Sprintf(", cut %d bytes at %d of %s", found.TornBytes, found.TornOffset, found.TornFile)
	}
	return out + "\n", nil
}

func (s *script) append(input string) error {
	var entries []Entry
	var hs *HardState
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		if fields[0] == "hs" {
			n := numbers(fields[1:])
			hs = &HardState{n[0], n[1], n[2]}
			continue
		}
		n := numbers(strings.Split(fields[0], "/"))
		e := Entry{Kind: KindEmpty, Index: n[0], Term: n[1]}
		if len(fields) > 1 {
			e.Kind, e.Data = KindBatch, []byte(fields[1])
		}
		entries = append(entries, e)
	}
	return s.log.Append(entries, hs)
}

func numbers(fields []string) []uint64 {
	out := make([]uint64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			panic(err)
		}
		out[i] = n
	}
	return out
}

// damage changes durable bytes behind the log's back.
func (s *script) damage(d *datadriven.TestData, at, length int) error {
	var name string
	d.ScanArgs(s.t, "file", &name)
	f, err := s.mem.OpenReadWrite("wal/"+name, category)
	if err != nil {
		return err
	}
	b := make([]byte, max(length, 1))
	if d.Cmd == "flip" {
		if _, err := f.ReadAt(b, int64(at)); err != nil {
			return err
		}
		b[0] ^= 1
	}
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func (s *script) files() string {
	disk := readDisk(s.mem, "wal")
	var names []string
	for name := range disk {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s %d\n", name, len(disk[name]))
	}
	return b.String()
}

func (s *script) entries() (string, error) {
	first, last := s.log.FirstIndex(), s.log.LastIndex()
	entries, err := s.log.Entries(first, last+1, 1<<20)
	var b strings.Builder
	fmt.Fprintf(&b, "%d to %d, durable %d, hard state %v\n", first, last, s.log.DurableIndex(), s.log.HardState())
	for _, e := range entries {
		fmt.Fprintf(&b, "%d/%d %v %q\n", e.Index, e.Term, e.Kind, e.Data)
	}
	return b.String(), err
}
