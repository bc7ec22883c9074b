package engine

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// sampleStamps are the values of two engines, one of them new.
func sampleStamps() [][]byte {
	used := New(Config{})
	used.highest, used.highestOwn, used.highestRegister = 1<<60, 1<<40, 7
	used.counters = Counters{Batches: 3, Records: 300, Signals: 290, Clamped: 1, Twice: 2, Newest: -5, HasNewest: true}
	return [][]byte{New(Config{}).appendStamps(nil), used.appendStamps(nil)}
}

func sampleRecent() []byte {
	x := &recentBatches{}
	for i := range recentKept + 3 {
		x.marks[x.next] = batchMark{id.Seq(10*i + 1), id.Seq(10*i + 10), uint32(i)}
		x.next = (x.next + 1) % recentKept
	}
	return x.append(nil)
}

func sampleFallen() []byte { return []byte{localVersion, 0x85, 0x01} }

// TestLocalRecordsOfAnEngineReadBack loads what was written, and refuses every part of it and every longer text.
func TestLocalRecordsOfAnEngineReadBack(t *testing.T) {
	origin := id.Origin{Region: 2, Shard: 1, Incarnation: 3}
	samples := []struct {
		key, value []byte
		again      func(e *Engine) []byte
	}{
		{[]byte{localStamps}, sampleStamps()[0], func(e *Engine) []byte { return e.appendStamps(nil) }},
		{[]byte{localStamps}, sampleStamps()[1], func(e *Engine) []byte { return e.appendStamps(nil) }},
		{fallenKey(origin.At(7)), sampleFallen(), func(e *Engine) []byte {
			var out []byte
			e.fallen.changed = map[id.Position]bool{origin.At(7): true}
			e.fallen.fallenChanges(func(_, value []byte) { out = value })
			return out
		}},
		{recentKey(origin), sampleRecent(), func(e *Engine) []byte { return e.recent[origin].append(nil) }},
	}
	for _, s := range samples {
		e := New(Config{})
		if err := e.LoadLocal(s.key, s.value); err != nil {
			t.Fatalf("%x: %v", s.key, err)
		}
		if !bytes.Equal(s.again(e), s.value) {
			t.Errorf("%x: %x was read, %x is written", s.key, s.value, s.again(e))
		}
		for n := range len(s.value) {
			err := New(Config{}).LoadLocal(s.key, s.value[:n])
			if err == nil && s.key[0] != localRecent {
				t.Errorf("%x: the first %d bytes of %x were accepted", s.key, n, s.value)
			}
		}
		newer := bytes.Clone(s.value)
		newer[0]++
		if err := New(Config{}).LoadLocal(s.key, newer); !errors.Is(err, fault.ErrFormatTooNew) {
			t.Errorf("%x of a newer version: %v", s.key, err)
		}
	}
}

// FuzzLoadLocal holds that nothing but what an engine writes is read, and that nothing panics.
func FuzzLoadLocal(f *testing.F) {
	for _, value := range sampleStamps() {
		f.Add([]byte{localStamps}, value)
	}
	f.Add(recentKey(id.Origin{}), sampleRecent())
	f.Add(fallenKey(id.Position{Region: 1, Seq: 9}), sampleFallen())
	f.Add([]byte(parkedKey(id.Origin{Region: 1}, 1)), []byte("no batch"))
	f.Add([]byte("lp"), []byte{1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e := New(Config{})
		if err := e.LoadLocal(key, value); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("%x, %x: %v", key, value, err)
			}
			return
		}
		if key[0] == localStamps && !bytes.Equal(e.appendStamps(nil), value) {
			t.Errorf("%x is read and written as %x", value, e.appendStamps(nil))
		}
	})
}
