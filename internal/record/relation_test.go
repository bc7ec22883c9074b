package record

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Two pairs of collection and item never have the same target, and a target has one form.
func TestTargetsOfCollectionsAreExactlyInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, item := drawText(t, "name", 0, 300), drawText(t, "item", 0, 300)
		target := CollectionTarget(name, item)
		gotName, gotItem, ok := SplitCollection(target)
		if !ok || gotName != name || gotItem != item {
			t.Fatalf("%q of %q comes back as %q of %q, %v", item, name, gotItem, gotName, ok)
		}
		raw := []byte(drawText(t, "bytes", 0, 200))
		if name, item, ok := SplitCollection(raw); ok && CollectionTarget(string(name), string(item)) != string(raw) {
			t.Fatalf("%q is %q of %q, which is written another way", raw, item, name)
		}
	})
	for _, target := range []string{"", "\x05late", "\x80\x00item", "\xff", strings.Repeat("\xff", 12)} {
		if name, item, ok := SplitCollection(target); ok {
			t.Errorf("%q is taken for %q of %q", target, item, name)
		}
	}
}

func TestCollectionsAreChecked(t *testing.T) {
	longest := strings.Repeat("n", MaxCollection)
	for _, c := range []struct{ name, item, field, says string }{
		{"", "i", "collection", "is empty"},
		{longest + "n", "i", "collection", "has 65 bytes; it has 1 to 64 bytes"},
		{"a\xffb", "i", "collection", "is not UTF-8"},
		{"a\nb", "i", "collection", "control character U+000A"},
		{"a\u0085", "i", "collection", "control character U+0085"},
		{"later", "", "item", "is empty"},
		{
			"later", strings.Repeat("i", 507), "item",
			"has 507 bytes; in a collection whose name has 5 bytes it has at most 506",
		},
		{
			longest, strings.Repeat("i", 448), "item",
			"has 448 bytes; in a collection whose name has 64 bytes it has at most 447",
		},
		{longest, strings.Repeat("i", id.MaxLen+1), "item", "ids have 1 to 512 bytes"},
	} {
		r := Relation{Which: CollectItem, On: true, User: "u", Target: CollectionTarget(c.name, c.item)}
		var in *fault.Input
		if err := r.Check(); !errors.As(err, &in) || in.Field != c.field || !strings.Contains(in.Reason, c.says) {
			t.Errorf("%q of %q: %v, want %s %s", c.item, c.name, err, c.field, c.says)
		}
	}
	for _, target := range []string{"", "later", "\x85\x00lateri"} {
		r := Relation{Which: CollectItem, User: "u", Target: target}
		if err := r.Check(); !errors.Is(err, fault.ErrInput) {
			t.Errorf("target %q: %v", target, err)
		}
		var back Relation
		if err := DecodeRelation(r.append(nil), &back); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("target %q is read: %v", target, err)
		}
	}
	for _, r := range []Relation{
		{Which: CollectItem, User: "u", Target: CollectionTarget(longest, strings.Repeat("i", 447))},
		{Which: CollectItem, User: "u", Target: CollectionTarget("Später \u6ce2 \"x\"", "i")},
	} {
		if err := r.Check(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
