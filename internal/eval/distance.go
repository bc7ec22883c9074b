package eval

import (
	"math"
	"slices"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// distance says how different two items are, from 0 to 1, or to 2 by embeddings.
type distance struct {
	// by names what it looks at.
	by      string
	vectors [][]float32        // of length 1
	words   [][]string         // sorted
	users   [][]uint32         // sorted
	known   map[uint64]float64 // of pairs that were asked for
}

// attributes are the fields by which items are compared that have no embedding: all sets of tags, the category and the
// creator.
func attributes(s *schema.Schema) []string {
	var names []string
	for _, f := range s.Items.Fields {
		one := f.Type == schema.TypeKeyword && (f.Name == "category" || f.Name == schema.CreatorField)
		if one || f.Type == schema.TypeTags {
			names = append(names, f.Name)
		}
	}
	return names
}

// newDistance chooses what items are compared by: the cosine of the first embedding that at least half of the items
// that can be served have; else the Jaccard distance of their [attributes], if at least half have any; else the cosine
// of the sets of users who met them in training.
func newDistance(d *Data, t *Training) *distance {
	out := &distance{known: map[uint64]float64{}}
	numbers := map[string]int{}
	for i, name := range t.Items {
		if t.Served[i] {
			numbers[name] = i
		}
	}
	for _, slot := range d.Schema.Items.Embeddings {
		if out.takeVectors(d, numbers, slot.Name, len(t.Items)); out.vectors != nil {
			out.by = "embedding " + slot.Name
			return out
		}
	}
	fields := attributes(d.Schema)
	if out.takeWords(d, numbers, fields, len(t.Items)); out.words != nil {
		out.by = strings.Join(fields, ", ")
		return out
	}
	out.by = "users who met them"
	out.users = make([][]uint32, len(t.Items))
	for user, visits := range t.History {
		for _, v := range visits {
			if had := out.users[v.Item]; len(had) == 0 || had[len(had)-1] != uint32(user) {
				out.users[v.Item] = append(had, uint32(user))
			}
		}
	}
	return out
}

func (x *distance) takeVectors(d *Data, numbers map[string]int, slot string, items int) {
	vectors, have := make([][]float32, items), 0
	for i := range d.Entities {
		e := &d.Entities[i]
		n, ok := numbers[e.ID]
		if e.Kind != tidal.Item || !ok {
			continue
		}
		v, ok := e.Fields[slot].Vector()
		if !ok || !normalise(v) {
			continue
		}
		vectors[n] = v
		have++
	}
	if 2*have >= len(numbers) && have > 0 {
		x.vectors = vectors
	}
}

// normalise brings a vector to length 1, and reports whether it has one.
func normalise(v []float32) bool {
	sum := 0.0
	for _, f := range v {
		sum += float64(f) * float64(f)
	}
	if sum == 0 {
		return false
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return true
}

func (x *distance) takeWords(d *Data, numbers map[string]int, fields []string, items int) {
	words, have := make([][]string, items), 0
	for i := range d.Entities {
		e := &d.Entities[i]
		n, ok := numbers[e.ID]
		if e.Kind != tidal.Item || !ok {
			continue
		}
		for _, field := range fields {
			if text, ok := e.Fields[field].Text(); ok {
				words[n] = append(words[n], field+"="+text)
			}
			tags, _ := e.Fields[field].Tags()
			for _, tag := range tags {
				words[n] = append(words[n], field+"="+tag)
			}
		}
		if len(words[n]) > 0 {
			slices.Sort(words[n])
			words[n] = slices.Compact(words[n])
			have++
		}
	}
	if 2*have >= len(numbers) && have > 0 {
		x.words = words
	}
}

// of returns the distance of two items. Items without what is compared are 1 apart from all others.
func (x *distance) of(a, b uint32) float64 {
	if a > b {
		a, b = b, a
	}
	pair := uint64(a)<<32 | uint64(b)
	if d, ok := x.known[pair]; ok {
		return d
	}
	d := 1.0
	switch {
	case x.vectors != nil:
		if v, w := x.vectors[a], x.vectors[b]; v != nil && w != nil {
			d = 1 - dot(v, w)
		}
	case x.words != nil:
		if both := common(x.words[a], x.words[b]); both > 0 {
			d = 1 - float64(both)/float64(len(x.words[a])+len(x.words[b])-both)
		}
	default:
		if both := common(x.users[a], x.users[b]); both > 0 {
			d = 1 - float64(both)/math.Sqrt(float64(len(x.users[a]))*float64(len(x.users[b])))
		}
	}
	d = max(0, d) // rounding
	x.known[pair] = d
	return d
}

func dot(v, w []float32) float64 {
	sum := 0.0
	for i := range v {
		sum += float64(v[i]) * float64(w[i])
	}
	return sum
}

// common counts what is in both of two ascending lists.
func common[T string | uint32](a, b []T) int {
	n := 0
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			n, a, b = n+1, a[1:], b[1:]
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return n
}

// within is the mean distance of all pairs of a list (Ziegler, McNee, Konstan and Lausen, "Improving Recommendation
// Lists Through Topic Diversification", WWW 2005); false for lists of fewer than two items, which have no pairs.
func (x *distance) within(list []uint32) (float64, bool) {
	if len(list) < 2 {
		return 0, false
	}
	sum := 0.0
	for i := range list {
		for j := range i {
			sum += x.of(list[i], list[j])
		}
	}
	return sum / float64(len(list)*(len(list)-1)/2), true
}
