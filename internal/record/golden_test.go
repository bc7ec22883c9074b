package record

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenBatches holds every format ever written: a file has the bytes, 32 to a line, and the dump. They are read
// here and compared with what is written today.
func TestGoldenBatches(t *testing.T) {
	golden := map[string][]byte{"batch_v2": sampleBatch(t), "batch_v1": versionOneOf(t, sampleBatch(t))}
	for _, p := range samples() {
		golden["kind_"+p.Kind.String()] = build(t, sampleHead(), func(b *Builder) {
			m := sampleMeta(0)
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
		})
	}
	collect := collected()
	golden["kind_relation_collect"] = build(t, sampleHead(), func(b *Builder) {
		m := sampleMeta(0)
		if err := b.AddProposed(&m, &collect); err != nil {
			t.Fatal(err)
		}
	})
	for i, p := range samplesOfLevel2() {
		name := "kind_" + p.Kind.String()
		if p.Kind == KindSession {
			name += "_" + p.Session.What.String()
		} else if i == len(samplesOfLevel2())-1 {
			name += "_dropped"
		}
		golden[name] = build(t, headOfLevel2(), func(b *Builder) {
			m := sampleMeta(0)
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
		})
	}
	for name, p := range samplesOfLevel3() {
		golden["kind_"+name] = build(t, headOfLevel3(), func(b *Builder) {
			m := sampleMeta(0)
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
		})
	}
	head := sampleHead()
	head.Projection, head.Last = true, 5000
	golden["projection_empty"] = build(t, head, func(*Builder) {})
	golden["projection"] = build(t, head, func(b *Builder) {
		for i, seq := range []id.Seq{1003, 4711} {
			s := sampleSignal()
			m := fullMeta(i)
			if err := b.AddRecord(&Record{Seq: seq, Kind: KindSignal, Meta: m, Body: s.append(nil)}); err != nil {
				t.Fatal(err)
			}
		}
	})
	for name, data := range golden {
		t.Run(name, func(t *testing.T) { checkGolden(t, name, data) })
	}
}

func checkGolden(t *testing.T, name string, data []byte) {
	path := filepath.Join("testdata", name+".golden")
	var b strings.Builder
	for rest := data; len(rest) > 0; rest = rest[min(32, len(rest)):] {
		fmt.Fprintf(&b, "%x\n", rest[:min(32, len(rest))])
	}
	b.WriteString("--\n")
	if err := Dump(&b, data); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Fatalf("%s differs; written today:\n%s", path, b.String())
	}
	text, _, _ := strings.Cut(string(want), "--\n")
	old, err := hex.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	batch := mustOpen(t, old)
	if err := batch.Verify(); err != nil {
		t.Fatal(err)
	}
}
