package diversity_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/schema"
)

// story is one list of testdata/mix: each line is an item, best first, with its creator, its category (- is none) and,
// for likeness, a number; the last argument of a line may be "fixed", which makes it no candidate.
type story struct {
	stock
	names, words []string
	in           diversity.Input
	rules        schema.Diversity
}

func TestMix(t *testing.T) {
	datadriven.RunTest(t, "testdata/mix", func(t *testing.T, d *datadriven.TestData) string {
		s := &story{}
		s.readItems(d)
		s.readRules(t, d)
		s.fields = diversity.Fields(&s.rules)
		s.in.Rules, s.in.Items = &s.rules, &s.stock
		var mixer diversity.Mixer
		picks, violations := mixer.Mix(&s.in, nil)
		return s.print(picks, violations)
	})
}

func (s *story) readItems(d *datadriven.TestData) {
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Count(a, "fixed") - strings.Count(b, "fixed") })
	for _, line := range lines {
		f := strings.Fields(line)
		s.names = append(s.names, f[0])
		item := map[string][]uint32{}
		for i, field := range []string{"creator", "category"} {
			for _, word := range strings.Split(f[1+i], ",") {
				if word != "-" {
					item[field] = append(item[field], s.code(word))
				}
			}
		}
		place := 0.0
		if len(f) > 3 {
			place, _ = strconv.ParseFloat(f[3], 32)
		}
		s.values, s.place = append(s.values, item), append(s.place, float32(place))
		if f[len(f)-1] != "fixed" {
			s.in.Scores = append(s.in.Scores, 1-float64(len(s.in.Scores))/10)
		}
	}
}

func (s *story) code(word string) uint32 {
	if i := slices.Index(s.words, word); i >= 0 {
		return uint32(i)
	}
	s.words = append(s.words, word)
	return uint32(len(s.words) - 1)
}

func (s *story) readRules(t *testing.T, d *datadriven.TestData) {
	for _, arg := range d.CmdArgs {
		for _, value := range arg.Vals {
			v := append(strings.Split(value, ":"), "0")
			last, err := strconv.ParseFloat(v[len(v)-2], 64)
			if err != nil && arg.Key != "fixed" {
				d.Fatalf(t, "%s: %v", arg.Key, err)
			}
			n := int(last)
			switch arg.Key {
			case "limit":
				s.in.Limit = n
			case "relevance":
				s.rules.Relevance = last
			case "max_per":
				s.rules.MaxPer = append(s.rules.MaxPer, schema.MaxPer{Field: v[0], N: n})
			case "share":
				s.rules.Shares = append(s.rules.Shares, schema.Share{Field: v[0], Max: last})
			case "at_least":
				s.rules.AtLeast = append(s.rules.AtLeast, schema.AtLeast{Field: v[0], Value: v[1], N: n})
				s.in.Minimums = append(s.in.Minimums, s.code(v[1]))
			case "fixed":
				rank, _ := strconv.Atoi(v[0])
				s.in.Fixed = append(s.in.Fixed, diversity.Fixed{Rank: rank, Item: slices.Index(s.names, v[1])})
			default:
				d.Fatalf(t, "unknown argument %s", arg.Key)
			}
		}
	}
}

func (s *story) print(picks []int, violations []diversity.Violation) string {
	var b strings.Builder
	for i, p := range picks {
		if i > 0 {
			b.WriteByte(' ')
		}
		if p == diversity.Reserved {
			b.WriteByte('?')
		} else {
			b.WriteString(s.names[p])
		}
	}
	b.WriteByte('\n')
	for _, v := range violations {
		fmt.Fprintf(&b, "%v %s=%s: wanted %d, got %d\n", v.Rule, v.Field, s.words[v.Code], v.Wanted, v.Got)
	}
	return b.String()
}
