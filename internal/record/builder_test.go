package record

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func TestARefusedRecordLeavesTheBuilderAsItWas(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	bad := map[string]func(*Meta, *Proposed){
		"no stamp":              func(m *Meta, _ *Proposed) { m.HLC = 0 },
		"stamp not above hlc":   func(m *Meta, _ *Proposed) { m.Stamp = m.HLC },
		"time out of range":     func(m *Meta, _ *Proposed) { m.Time = MaxTime + 1 },
		"assigned and clamped":  func(m *Meta, _ *Proposed) { m.TimeAssigned, m.TimeClamped = true, true },
		"long key":              func(m *Meta, _ *Proposed) { m.Key, m.Count = long(MaxKey+1), 1 },
		"key without count":     func(m *Meta, _ *Proposed) { m.Key = "k" },
		"count without request": func(m *Meta, _ *Proposed) { m.Count = 1 },
		"lane without request":  func(m *Meta, _ *Proposed) { m.Lane, m.Count = Lane{Producer: "new"}, 1 },
		"request without lane":  func(m *Meta, _ *Proposed) { m.Lane.Request = 1 },
		"long producer":         func(m *Meta, _ *Proposed) { m.Lane, m.Count = Lane{long(MaxProducer + 1), 1, 0}, 1 },
		"not the first":         func(m *Meta, _ *Proposed) { m.Lane = Lane{"new", 1, 1} },
		"unknown kind":          func(_ *Meta, p *Proposed) { p.Kind = 99 },
		"no weight":             func(_ *Meta, p *Proposed) { p.Signal.Weight = 0 },
		"too much weight":       func(_ *Meta, p *Proposed) { p.Signal.Weight = fixed.MaxWeight + 1 },
		"no item":               func(_ *Meta, p *Proposed) { p.Signal.Item = "" },
		"long item":             func(_ *Meta, p *Proposed) { p.Signal.Item = long(id.MaxLen + 1) },
		"long user":             func(_ *Meta, p *Proposed) { p.Signal.User = long(id.MaxLen + 1) },
		"generation of nobody":  func(_ *Meta, p *Proposed) { p.Signal.User, p.Signal.UserGen = "", 1 },
		"long creator":          func(_ *Meta, p *Proposed) { p.Signal.Creator = long(id.MaxLen + 1) },
		"nine cohorts":          func(_ *Meta, p *Proposed) { p.Signal.Cohorts = strings.Split("a b c d e f g h i", " ") },
		"cohorts out of order":  func(_ *Meta, p *Proposed) { p.Signal.Cohorts = []string{"b", "a"} },
		"cohort twice":          func(_ *Meta, p *Proposed) { p.Signal.Cohorts = []string{"a", "a"} },
		"long cohort":           func(_ *Meta, p *Proposed) { p.Signal.Cohorts = []string{long(MaxCohort + 1)} },
		"long reference":        func(_ *Meta, p *Proposed) { p.Signal.Ref = long(MaxRef + 1) },
		"mark 0":                func(_ *Meta, p *Proposed) { p.Kind, p.Mark = KindMark, Mark{User: "u", Item: "i"} },
		"relation 5": func(_ *Meta, p *Proposed) {
			p.Kind, p.Relation = KindRelation, Relation{5, true, "u", 0, "i"}
		},
		"no entity kind": func(_ *Meta, p *Proposed) { p.Kind, p.Entity = KindPut, Entity{ID: "i"} },
		"put that clears": func(_ *Meta, p *Proposed) {
			p.Kind, p.Entity = KindPut, Entity{id.KindItem, "i", []Field{{Name: "a"}}}
		},
		"delete with fields": func(_ *Meta, p *Proposed) {
			p.Kind, p.Entity = KindDelete, Entity{id.KindItem, "i", []Field{{"a", []byte{1}}}}
		},
		"field twice": func(_ *Meta, p *Proposed) {
			p.Kind, p.Entity = KindPatch, Entity{id.KindItem, "i", []Field{{Name: "a"}, {Name: "a"}}}
		},
		"long value": func(_ *Meta, p *Proposed) {
			p.Kind, p.Entity = KindPatch, Entity{id.KindItem, "i", []Field{{"a", make([]byte, MaxValue+1)}}}
		},
		"fields too long together": func(_ *Meta, p *Proposed) {
			v := make([]byte, MaxValue)
			p.Kind, p.Entity = KindPut, Entity{id.KindItem, "i", []Field{{"a", v}, {"b", v}, {"c", v}, {"d", v}}}
		},
		"265 fields": func(_ *Meta, p *Proposed) {
			p.Kind, p.Entity = KindPatch, Entity{Kind: id.KindItem, ID: "i"}
			for i := range MaxFields + 1 {
				p.Entity.Fields = append(p.Entity.Fields, Field{Name: fmt.Sprintf("f%03d", i)})
			}
		},
		"nobody erased": func(_ *Meta, p *Proposed) { p.Kind = KindErase },
		"compensated nothing": func(_ *Meta, p *Proposed) {
			p.Kind, p.Compensation = KindCompensate, Compensation{Signal: sampleSignal()}
		},
		"empty schema": func(_ *Meta, p *Proposed) { p.Kind = KindSchemaVersion },
		"long schema": func(_ *Meta, p *Proposed) {
			p.Kind, p.Schema.Encoded = KindSchemaVersion, make([]byte, MaxSchema+1)
		},
		"level 0":       func(_ *Meta, p *Proposed) { p.Kind = KindFormatLevel },
		"nameless note": func(_ *Meta, p *Proposed) { p.Kind = KindAnnotation },
		"long note": func(_ *Meta, p *Proposed) {
			p.Kind, p.Annotation = KindAnnotation, Annotation{"n", make([]byte, MaxNote+1)}
		},
	}
	two := func(b *Builder, between func()) {
		for i := range 2 {
			m, p := sampleMeta(i), Proposed{Kind: KindSignal, Signal: sampleSignal()}
			m.Lane, m.Count = Lane{Producer: "p", Request: uint64(i + 1)}, 1
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				between()
			}
		}
	}
	want := build(t, sampleHead(), func(b *Builder) { two(b, func() {}) })
	for name, change := range bad {
		t.Run(name, func(t *testing.T) {
			got := build(t, sampleHead(), func(b *Builder) {
				two(b, func() {
					m, p := sampleMeta(1), Proposed{Kind: KindSignal, Signal: sampleSignal()}
					change(&m, &p)
					size, n := b.Size(), b.Len()
					err := b.AddProposed(&m, &p)
					var in *fault.Input
					if !errors.As(err, &in) || in.Field == "" {
						t.Fatalf("want a refusal that names the field, got %v", err)
					}
					if b.Size() != size || b.Len() != n {
						t.Fatalf("size went from %d to %d, records from %d to %d", size, b.Size(), n, b.Len())
					}
				})
			})
			if !bytes.Equal(got, want) {
				t.Fatal("the batch shows the refused record")
			}
		})
	}
}

func TestRequestsStandWholeInABatch(t *testing.T) {
	type step struct {
		producer string
		request  uint64
		index    uint32
		count    uint32
	}
	for name, tc := range map[string]struct {
		steps []step
		good  bool
	}{
		"two of two":            {[]step{{"p", 1, 0, 2}, {"p", 1, 1, 0}}, true},
		"one after the other":   {[]step{{"p", 1, 0, 1}, {"q", 1, 0, 2}, {"q", 1, 1, 0}, {"p", 2, 0, 1}}, true},
		"one of two":            {[]step{{"p", 1, 0, 2}}, false},
		"an index skipped":      {[]step{{"p", 1, 0, 3}, {"p", 1, 2, 0}}, false},
		"another in between":    {[]step{{"p", 1, 0, 2}, {"q", 1, 0, 1}, {"p", 1, 1, 0}}, false},
		"a bare one in between": {[]step{{"p", 1, 0, 2}, {"", 0, 0, 0}, {"p", 1, 1, 0}}, false},
		"one too many":          {[]step{{"p", 1, 0, 1}, {"p", 1, 1, 0}}, false},
		"begins in the middle":  {[]step{{"p", 1, 1, 0}}, false},
	} {
		b := NewBuilder()
		if err := b.Reset(sampleHead()); err != nil {
			t.Fatal(err)
		}
		s := sampleSignal()
		var failed error
		for i, step := range tc.steps {
			m := sampleMeta(i)
			m.Lane, m.Count = Lane{step.producer, step.request, step.index}, step.count
			if failed = b.AddSignal(&m, &s); failed != nil {
				break
			}
		}
		if failed == nil {
			_, failed = b.Finish(nil)
		}
		if (failed == nil) != tc.good {
			t.Errorf("%s: %v", name, failed)
		}
	}
}

func TestABatchIsFullAtItsLimits(t *testing.T) {
	b := NewBuilder()
	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	note := Proposed{Kind: KindAnnotation, Annotation: Annotation{Name: "n", Note: make([]byte, MaxNote)}}
	var full error
	for full == nil {
		m := sampleMeta(b.Len())
		m.Lane, m.Count = Lane{Producer: fmt.Sprintf("producer %d", b.Len()), Request: 1}, 1
		full = b.AddProposed(&m, &note)
	}
	if !errors.Is(full, fault.ErrInput) || b.Size() > MaxBatch || b.Size() < MaxBatch-MaxNote-200 {
		t.Fatalf("full at %d bytes: %v", b.Size(), full)
	}
	data, err := b.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	full1 := mustOpen(t, data)
	if err := full1.Verify(); err != nil {
		t.Fatal(err)
	}

	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	level := Proposed{Kind: KindFormatLevel, Level: FormatLevel{1}}
	for i := range MaxRecords + 1 {
		m := sampleMeta(i)
		m.Time = sampleMillis
		if err := b.AddProposed(&m, &level); (err == nil) != (i < MaxRecords) {
			t.Fatalf("record %d: %v", i, err)
		}
	}
}

func TestTheLargestRecordFitsAnEmptyBatch(t *testing.T) {
	v := make([]byte, MaxValue)
	p := Proposed{Kind: KindPut, Entity: Entity{Kind: id.KindItem, ID: strings.Repeat("i", id.MaxLen), Fields: []Field{
		{"a", v}, {"b", v}, {"c", v}, {"d", v[:MaxValue-1100]},
	}}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	m := fullMeta(0)
	m.Key, m.Lane.Producer = strings.Repeat("k", MaxKey), strings.Repeat("p", MaxProducer)
	data := build(t, sampleHead(), func(b *Builder) {
		if err := b.AddProposed(&m, &p); err != nil {
			t.Fatal(err)
		}
	})
	batch := mustOpen(t, data)
	if err := batch.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestHeadsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Head){
		"first 0":                        func(h *Head) { h.First = 0 },
		"level 0":                        func(h *Head) { h.Level = 0 },
		"projection that ends too early": func(h *Head) { h.Projection, h.Last = true, h.First-1 },
		"end of what is no projection":   func(h *Head) { h.Last = h.First },
	} {
		head := sampleHead()
		change(&head)
		if err := NewBuilder().Reset(head); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := NewBuilder()
	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(nil); !errors.Is(err, fault.ErrInput) {
		t.Errorf("an empty batch: %v", err)
	}
}

func TestFinishAppends(t *testing.T) {
	b := NewBuilder()
	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	m, s := sampleMeta(0), sampleSignal()
	if err := b.AddSignal(&m, &s); err != nil {
		t.Fatal(err)
	}
	one, err := b.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err := b.Finish([]byte("frame"))
	if err != nil {
		t.Fatal(err)
	}
	if string(both) != "frame"+string(one) {
		t.Fatal("Finish doesn't append")
	}
}

func TestSequenceNumbersEndWithTheirType(t *testing.T) {
	head := sampleHead()
	head.First = 1<<64 - 1
	data := build(t, head, func(b *Builder) {
		m, s := sampleMeta(0), sampleSignal()
		if err := b.AddSignal(&m, &s); err != nil {
			t.Fatal(err)
		}
		m.HLC++
		if err := b.AddSignal(&m, &s); !errors.Is(err, fault.ErrInput) {
			t.Fatalf("beyond the last sequence number: %v", err)
		}
	})
	if batch := mustOpen(t, data); batch.Header.Last != head.First {
		t.Fatalf("batch ends at %d", batch.Header.Last)
	}
}

func TestRegisterStampsMayLieAboveTheClock(t *testing.T) {
	m := Meta{HLC: hlc.Make(5, 0)}
	if m.RegisterStamp() != m.HLC {
		t.Error("without a stamp of its own a register gets the record's")
	}
	m.Stamp = hlc.Make(9, 0)
	if m.RegisterStamp() != m.Stamp {
		t.Error("a register's own stamp is the one that counts")
	}
}

func TestAProjectionRefusesWhatLiesOutsideOrDoesNotRise(t *testing.T) {
	head := sampleHead()
	head.Projection, head.Last = true, head.First+9
	s := sampleSignal()
	build(t, head, func(b *Builder) {
		for i, tc := range []struct {
			seq  id.Seq
			good bool
		}{{999, false}, {1000, true}, {1000, false}, {1005, true}, {1004, false}, {1010, false}, {1009, true}} {
			rec := Record{Seq: tc.seq, Kind: KindSignal, Meta: sampleMeta(i), Body: s.append(nil)}
			if err := b.AddRecord(&rec); (err == nil) != tc.good || err != nil && !errors.Is(err, fault.ErrInput) {
				t.Errorf("seq %d: %v", tc.seq, err)
			}
		}
	})
}

func TestABuilderIsResetBeforeItIsUsed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	m, s := sampleMeta(0), sampleSignal()
	_ = NewBuilder().AddSignal(&m, &s)
}
