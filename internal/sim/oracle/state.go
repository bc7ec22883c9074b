package oracle

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Key names one record.
type Key struct {
	Kind      algebra.Kind
	OwnerKind id.Kind // 0 for none
	Owner     string
	Gen       hlc.Timestamp
	Sub       string
}

func (k Key) String() string {
	owner := k.OwnerKind.String()
	if k.OwnerKind == 0 {
		owner = "global"
	}
	return fmt.Sprintf("%v of %s %s generation %v sub %s", k.Kind, owner, short(k.Owner), k.Gen, short(k.Sub))
}

func short(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// key names a target.
func (o *owner) key(t *target) Key { return Key{t.kind, o.kind, o.name, o.gen, t.sub} }

// Compare returns the first difference to a replica's records: one that is missing, one too many, or one that holds
// something else. A record whose bytes were right before, and of whose events there are no new ones, is right if the
// bytes are the same.
func (s *State) Compare(records func(yield func(engine.Record) bool)) error {
	seen := 0
	var o *owner
	for r := range records {
		if o == nil || o.kind != r.OwnerKind || o.name != r.Owner {
			o = s.owners[entity{r.OwnerKind, r.Owner}]
		}
		if err := s.compare(o, &r); err != nil {
			return fmt.Errorf("%v: %w", keyOf(&r), err)
		}
		seen++
	}
	want := 0
	for _, o := range s.owners {
		want += len(o.records)
		if o.gen > 0 {
			want++
		}
	}
	if seen == want {
		return nil
	}
	return s.missing(records, seen, want)
}

// missing names the first record that isn't there.
func (s *State) missing(records func(yield func(engine.Record) bool), seen, want int) error {
	missing := map[Key]bool{}
	for _, o := range s.owners {
		for _, t := range o.records {
			missing[o.key(t)] = true
		}
		if o.gen > 0 {
			missing[Key{Kind: algebra.KindGeneration, OwnerKind: o.kind, Owner: o.name, Gen: o.gen}] = true
		}
	}
	for r := range records {
		delete(missing, keyOf(&r))
	}
	list := slices.SortedFunc(maps.Keys(missing), compareKeys)
	if len(list) == 0 {
		return fmt.Errorf("a record comes twice: %d are there, want %d", seen, want)
	}
	return fmt.Errorf("%v: is missing", list[0])
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.OwnerKind, b.OwnerKind), strings.Compare(a.Owner, b.Owner),
		cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Sub, b.Sub), cmp.Compare(a.Gen, b.Gen))
}

func keyOf(r *engine.Record) Key { return Key{r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub} }

var errTooMany = errors.New("is there, and shouldn't be")

// compare holds one record against its owner's, nil for none.
func (s *State) compare(o *owner, r *engine.Record) error {
	if o == nil || o.gen != r.Gen {
		return errTooMany
	}
	if r.Kind == algebra.KindGeneration {
		if o.gen == 0 || r.Sub != "" {
			return errTooMany
		}
		return compare([]byte(nil), r.Kind, r.Value)
	}
	s.room = append(append(s.room[:0], byte(r.Kind)), r.Sub...)
	t := o.records[string(s.room)]
	switch {
	case t == nil:
		return errTooMany
	case !t.stale && bytes.Equal(t.right, r.Value):
		return nil
	case t.stale:
		want, err := t.made.fold(s.rules)
		if err != nil {
			return err
		}
		t.want = want
	}
	if err := compare(t.want, r.Kind, r.Value); err != nil {
		return err
	}
	t.stale, t.right = false, append(t.right[:0], r.Value...)
	return nil
}

func compare(want any, kind algebra.Kind, value []byte) error {
	switch want := want.(type) {
	case *Cell:
		got, err := readCell(value)
		if err != nil {
			return err
		}
		if d := want.difference(got); d != "" {
			return fmt.Errorf("%s", d)
		}
		return nil
	case algebra.TopN:
		got, err := kind.List().Decode(value)
		if err != nil {
			return err
		}
		return compareLists(want, got)
	case algebra.PairMarks:
		got, err := algebra.DecodePairMarks(value)
		return compareValues(want, got, err)
	case algebra.MaxPair:
		got, err := algebra.DecodeMaxPair(value)
		return compareValues(want, got, err)
	case algebra.Session:
		got, err := algebra.DecodeSession(value)
		return compareTexts(want, got, err)
	case algebra.SealingKey:
		got, err := algebra.DecodeSealingKey(value)
		return compareTexts(want, got, err)
	case register:
		return compareRegister(want, value)
	case algebra.Entity:
		got, err := algebra.DecodeEntity(value)
		if err != nil {
			return err
		}
		return compareEntities(want, got)
	case []byte:
		if !bytes.Equal(want, value) {
			return fmt.Errorf("is %x, want %x", value, want)
		}
		return nil
	}
	panic(fmt.Sprintf("oracle: no comparison for %T", want))
}

func compareValues[T comparable](want, got T, err error) error {
	if err == nil && want != got {
		err = fmt.Errorf("is %+v, want %+v", got, want)
	}
	return err
}

// compareTexts compares values by all that they hold.
func compareTexts[T any](want, got T, err error) error {
	if w, g := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); err == nil && w != g {
		err = fmt.Errorf("is %s, want %s", g, w)
	}
	return err
}

func compareLists(want, got algebra.TopN) error {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Errorf("entry %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("has %d entries, want %d", len(got), len(want))
	}
	return nil
}

func compareEntities(want, got algebra.Entity) error {
	fields := func(e algebra.Entity) string {
		var b strings.Builder
		for _, f := range e.Fields {
			fmt.Fprintf(&b, " %s(%v %v)=%v:%x", f.Name, f.Stamp.HLC, f.Stamp.Origin, f.Set, f.Value)
		}
		return b.String()
	}
	switch {
	case want.Touched != got.Touched:
		return fmt.Errorf("touched is %+v, want %+v", got.Touched, want.Touched)
	case want.Reset != got.Reset:
		return fmt.Errorf("reset is %+v, want %+v", got.Reset, want.Reset)
	case want.Deleted != got.Deleted:
		return fmt.Errorf("deleted is %v, want %v", got.Deleted, want.Deleted)
	case fields(want) != fields(got):
		return fmt.Errorf("fields are%s, want%s", fields(got), fields(want))
	}
	return nil
}
