package algebra

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// write is one put, patch or delete.
type write struct {
	stamp   Stamp
	verb    string
	changes []Change
}

func (w write) apply(e Entity) Entity {
	switch w.verb {
	case "put":
		return e.ApplyPut(w.stamp, w.changes)
	case "patch":
		return e.ApplyPatch(w.stamp, w.changes)
	}
	return e.ApplyDelete(w.stamp)
}

// randomWrite makes a write of the given stamp; in clash its stamps may repeat those of others.
func randomWrite(rng *rand.Rand, stamp Stamp) write {
	w := write{stamp: stamp, verb: []string{"put", "patch", "patch", "patch", "delete"}[rng.IntN(5)]}
	for _, name := range []string{"a", "b", "price", "title"} {
		switch rng.IntN(5) {
		case 0:
			w.changes = append(w.changes, Change{name, nil})
		case 1, 2:
			w.changes = append(w.changes, Change{name, randomBytes(rng, 5)})
		}
	}
	return w
}

func entityKind() joinKind[Entity] {
	return joinKind[Entity]{
		update: func(rng *rand.Rand) Entity { return randomWrite(rng, randomStamp(rng)).apply(Entity{}) },
		merge:  Entity.Merge, encode: Entity.AppendBinary, decode: DecodeEntity,
	}
}

func TestEntityIsAJoin(t *testing.T) { testJoin(t, entityKind()) }

// TestEntityEqualsWritesInOrderOfStamps applies writes of different stamps in any order, some twice, some by way of
// other replicas, and compares with a plain map to which they were applied one after the other.
func TestEntityEqualsWritesInOrderOfStamps(t *testing.T) {
	rng := dice(t)
	for range 5000 {
		var (
			writes  = make([]write, rng.IntN(9))
			fields  = map[string]string{}
			exists  = false
			deleted hlc.Timestamp
		)
		for i := range writes { // stamps rise; every second one shares the time of the one before, in another region
			w := randomWrite(rng, Stamp{hlc.Timestamp(10 + i/2), id.Origin{Region: id.Region(i % 2)}})
			if w.verb == "delete" && i%2 == 1 {
				w.verb = "put" // the tie of a delete is tested by itself
			} else if i > 0 && i%2 == 1 && writes[i-1].verb == "delete" {
				w.verb = "delete"
			}
			writes[i] = w
			switch w.verb {
			case "put":
				fields, exists = map[string]string{}, true
			case "patch":
				exists = true
			case "delete":
				fields, exists, deleted = map[string]string{}, false, w.stamp.HLC
			}
			if w.verb == "delete" {
				continue
			}
			for _, c := range w.changes {
				if c.Value == nil {
					delete(fields, c.Name)
				} else {
					fields[c.Name] = string(c.Value)
				}
			}
		}
		var here, there Entity
		for _, i := range rng.Perm(len(writes)) {
			if rng.IntN(2) == 0 {
				here = writes[i].apply(here)
			} else {
				there = writes[i].apply(there)
			}
			if rng.IntN(4) == 0 {
				here = here.Merge(there)
			}
		}
		e := here.Merge(there)
		got := map[string]string{}
		for _, f := range e.Fields {
			if v, ok := e.Field(f.Name); ok {
				got[f.Name] = string(v)
			}
		}
		if !maps.Equal(got, fields) || e.Exists() && !exists || e.Generation() != deleted {
			t.Fatalf("%+v\ngives %q, exists %v, generation %v\nwant  %q, exists %v, generation %v",
				writes, got, e.Exists(), e.Generation(), fields, exists, deleted)
		}
		// A write in the same instant as a delete loses against it whatever its origin.
		if exists && !e.Exists() && e.Touched.HLC != e.Deleted {
			t.Fatalf("%+v: doesn't exist", writes)
		}
	}
}

func TestEntityRules(t *testing.T) {
	at := func(wall hlc.Timestamp) Stamp { return Stamp{HLC: wall} }
	set := func(kv ...string) []Change {
		var out []Change
		for i := 0; i < len(kv); i += 2 {
			out = append(out, Change{kv[i], []byte(kv[i+1])})
		}
		return out
	}
	clear := func(name string) []Change { return []Change{{Name: name}} }
	put := func(wall hlc.Timestamp, c []Change) write { return write{at(wall), "put", c} }
	patch := func(wall hlc.Timestamp, c []Change) write { return write{at(wall), "patch", c} }
	del := func(wall hlc.Timestamp) write { return write{at(wall), "delete", nil} }
	for _, c := range []struct {
		name   string
		writes []write
		want   string
	}{
		{"put", []write{put(1, set("a", "1", "b", "2"))}, "a=1 b=2"},
		{"put resets", []write{put(1, set("a", "1", "b", "2")), put(2, set("a", "3"))}, "a=3"},
		{"patch keeps the rest", []write{put(1, set("a", "1", "b", "2")), patch(2, set("b", "3"))}, "a=1 b=3"},
		{"patch before its put", []write{patch(1, set("b", "3")), put(2, set("a", "1"))}, "a=1"},
		{"patch alone makes it exist", []write{patch(1, set("a", "1"))}, "a=1"},
		{"patch clears", []write{put(1, set("a", "1", "b", "2")), patch(2, clear("a"))}, "b=2"},
		{"a clear outlives an older set", []write{patch(2, clear("a")), patch(1, set("a", "1"))}, ""},
		{"put without a value", []write{put(1, clear("a"))}, ""},
		{"delete", []write{put(1, set("a", "1")), del(2)}, "gone"},
		{"delete before it was written", []write{del(2), put(1, set("a", "1"))}, "gone"},
		{"put after delete", []write{put(1, set("a", "1")), del(2), put(3, set("b", "1"))}, "b=1"},
		{"patch after delete", []write{put(1, set("a", "1")), del(2), patch(3, set("b", "1"))}, "b=1"},
		{"tie of put and delete", []write{put(2, set("a", "1")), del(2)}, "gone"},
		{"never written", nil, "gone"},
	} {
		for _, order := range [][]write{c.writes, reversed(c.writes)} {
			var e Entity
			for _, w := range order {
				e = w.apply(e)
			}
			if got := picture(e); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}

func reversed(w []write) []write {
	w = slices.Clone(w)
	slices.Reverse(w)
	return w
}

// picture draws what a reader sees.
func picture(e Entity) string {
	if !e.Exists() {
		return "gone"
	}
	s := ""
	for _, f := range e.Fields {
		if v, ok := e.Field(f.Name); ok {
			s += fmt.Sprintf(" %s=%s", f.Name, v)
		}
	}
	if s == "" {
		return ""
	}
	return s[1:]
}

func TestUnsortedChangesPanic(t *testing.T) {
	for _, changes := range [][]Change{{{"b", nil}, {"a", nil}}, {{"a", nil}, {"a", nil}}, {{"", nil}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is accepted", changes)
				}
			}()
			Entity{}.ApplyPatch(Stamp{HLC: 1}, changes)
		}()
	}
}

// TestEntityStampsHaveOneForm writes each stamp of a field in every form that says the same; the shortest, and of two
// the first, is the only one that is accepted.
func TestEntityStampsHaveOneForm(t *testing.T) {
	stamp := Stamp{HLC: 7, Origin: id.Origin{Region: 1}}
	put := Entity{}.ApplyPut(stamp, []Change{{"a", []byte("v")}}).AppendBinary(nil)
	head := stamp.AppendBinary(stamp.AppendBinary(nil)) // touched and reset
	head = append(head, 0, 1, 'a')
	accepted := ""
	for _, form := range []byte{stampWritten, stampTouched, stampReset} {
		b := append(slices.Clone(head), form|1)
		if form == stampWritten {
			b = stamp.AppendBinary(b)
		}
		b = append(b, 1, 'v')
		if _, err := DecodeEntity(b); err == nil {
			accepted += string(b)
		}
	}
	if accepted != string(put) {
		t.Errorf("accepted %x, want %x alone", accepted, put)
	}
}

func FuzzDecodeEntity(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 20 {
		e := entityKind().update(rng)
		f.Add(e.Merge(entityKind().update(rng)).AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkDecoder(t, b, entityKind()) })
}
