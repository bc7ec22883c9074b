package index

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/state"
)

// Suggestion is a value of a field and the number of live items that have it.
type Suggestion struct {
	Text  string
	Items int
}

func (s Suggestion) compare(o Suggestion) int {
	if c := cmp.Compare(o.Items, s.Items); c != 0 {
		return c
	}
	return strings.Compare(s.Text, o.Text)
}

// Suggest returns the k values of a keyword or tags field that begin with the prefix and have most live items, those
// with equally many in the order of their texts. It returns nil for another field. Letters' case counts.
//
// It looks at every value with the prefix that has more than one item.
func (x *Index) Suggest(name, prefix string, k int) []Suggestion {
	c, ok := x.Keyword(name)
	if !ok || k <= 0 {
		return nil
	}
	var best []Suggestion // a list of k in order is quick enough: few values get into it
	c.dict.several.Ascend(prefix, func(text string, code uint32) bool {
		if !strings.HasPrefix(text, prefix) {
			return false
		}
		s := Suggestion{text, int(c.dict.counts.get(state.Ord(code)))}
		if len(best) == k {
			if s.Items <= best[k-1].Items { // of equals, earlier texts came before
				return true
			}
			best = best[:k-1]
		}
		at, _ := slices.BinarySearchFunc(best, s, Suggestion.compare)
		best = slices.Insert(best, at, s)
		return true
	})
	c.dict.single.Ascend(prefix, func(text string, _ uint32) bool {
		if len(best) >= k || !strings.HasPrefix(text, prefix) {
			return false
		}
		best = append(best, Suggestion{text, 1})
		return true
	})
	return best
}
