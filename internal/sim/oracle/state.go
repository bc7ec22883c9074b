package oracle

import (
	"bytes"
	"cmp"
	"fmt"
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

// State is what should be there. Values are of the type that belongs to the key's kind: *[Cell], [algebra.TopN],
// [algebra.PairMarks], [algebra.MaxPair], [algebra.Entity], or the bytes of a record that has no inner parts.
type State map[Key]any

// Compare returns the first difference to a replica's records: one that is missing, one too many, or one that holds
// something else.
func (s State) Compare(records func(yield func(engine.Record) bool)) error {
	seen := 0
	for r := range records {
		key := Key{r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub}
		want, ok := s[key]
		if !ok {
			return fmt.Errorf("%v: is there, and shouldn't be", key)
		}
		if err := compare(want, r.Kind, r.Value); err != nil {
			return fmt.Errorf("%v: %w", key, err)
		}
		seen++
	}
	if seen == len(s) {
		return nil
	}
	missing := map[Key]bool{}
	for key := range s {
		missing[key] = true
	}
	for r := range records {
		delete(missing, Key{r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub})
	}
	var list []Key
	for key := range missing {
		list = append(list, key)
	}
	slices.SortFunc(list, compareKeys)
	if len(list) == 0 {
		return fmt.Errorf("a record comes twice: %d are there, want %d", seen, len(s))
	}
	return fmt.Errorf("%v: is missing", list[0])
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.OwnerKind, b.OwnerKind), strings.Compare(a.Owner, b.Owner),
		cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Sub, b.Sub), cmp.Compare(a.Gen, b.Gen))
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
