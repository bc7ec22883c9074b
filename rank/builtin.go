package rank

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Builtins returns the profiles that every database has, by name, each as version 1 and adapted to the schema: a
// formula about views isn't the same where nobody counts views, and without creators there's nothing to keep apart.
// They compile without warnings against every valid schema.
//
// Their formulae, with where they come from, stand in docs/ranking.md and beside each one in this package.
func Builtins(s *schema.Schema) []schema.Profile {
	out := make([]schema.Profile, len(builtins))
	for i, b := range builtins {
		out[i] = b.make(s)
	}
	return out
}

// builtin is one of the profiles; see Builtins.
type builtin struct {
	name string
	make func(*schema.Schema) schema.Profile
}

// builtins, ascending by name; a constant table.
var builtins = [...]builtin{
	{"controversial", controversial},
	{"following", following},
	{"for_you", forYou},
	{"hidden_gems", hiddenGems},
	{"hot", hot},
	{"most", most},
	{"new", newest},
	{"notification", notification},
	{"related", related},
	{"rising", rising},
	{"shuffle", shuffle},
	{"top", top},
	{"trending", trending},
}

const day = 24 * time.Hour

func add(name, expr string) schema.Step {
	return schema.Step{Name: name, Op: schema.Add, Expr: expr}
}

func times(name, expr string) schema.Step {
	return schema.Step{Name: name, Op: schema.Multiply, Expr: expr}
}

func profile(name string, sources []schema.Source, steps ...schema.Step) schema.Profile {
	return schema.Profile{Name: name, Version: 1, Candidates: sources, Score: steps}
}

// What schemas differ in.

func hasCreator(s *schema.Schema) bool {
	_, ok := s.Items.Field(schema.CreatorField)
	return ok
}

func hasEmbedding(s *schema.Schema) bool { return len(s.Items.Embeddings) > 0 }

func hasSignal(s *schema.Schema, name string) bool {
	_, _, ok := s.Signal(name)
	return ok
}

// keeps reports whether a group isn't empty, and at least one of its types has what a feature needs.
func keeps(s *schema.Schema, group string, f Feature) bool {
	c := checker{schema: s}
	return c.keeping(meaning(s, group), f) != 0
}

// popularity is the decayed score of all positive signals; where none is kept, their number.
func popularity(s *schema.Schema) string {
	if meaning(s, "positive") != 0 && !keeps(s, "positive", Feature{Kind: FeatureScore}) {
		return "total(positive)"
	}
	return "score(positive)"
}

// pace guesses the velocity of a type, in signals per hour, from what the first phase has. A decayed score with
// half-life h is the mean of the rate over about h/ln 2: at a steady rate r it is r·h/ln 2. Half-lives of several types
// that aren't the same are taken for a day.
func pace(s *schema.Schema, name string) string {
	if _, t, ok := s.Signal(name); ok && len(t.HalfLives) > 0 {
		h := schema.FormatDuration(t.HalfLives[0])
		return fmt.Sprintf("score(%s, %s) * ln(2) / (%s / 1h)", name, h, h)
	}
	var common string
	for set := meaning(s, "positive"); set != 0; set &= set - 1 {
		t := &s.Signals[bits.TrailingZeros64(set)]
		if len(t.HalfLives) == 0 {
			continue
		}
		switch h := schema.FormatDuration(t.HalfLives[0]); common {
		case "", h:
			common = h
		default:
			return "score(positive) * ln(2) / 24"
		}
	}
	if common == "" {
		return popularity(s)
	}
	return "score(positive) * ln(2) / (" + common + " / 1h)"
}

// velocityOf is the velocity of a type; where the schema doesn't have it with counts, that of all positive types; where
// none of them keeps counts, their number since the beginning per hour of age.
func velocityOf(s *schema.Schema, name, window string) string {
	if _, t, ok := s.Signal(name); ok && len(t.Windows) > 0 {
		return fmt.Sprintf("velocity(%s, %s)", name, window)
	}
	if meaning(s, "positive") != 0 && !keeps(s, "positive", Feature{Kind: FeatureCount}) {
		return "total(positive) / (1 + age / 1h)"
	}
	return fmt.Sprintf("velocity(positive, %s)", window)
}

// The opinions of users: approval against disapproval, both since the beginning.
const (
	wilsonQuality = "wilson(total(approval), total(approval) + total(negative))"
	// laplaceQuality is the rule of succession (P. S. Laplace, "Essai philosophique sur les probabilités", 1814): as good
	// as if there were one more of each. Items without opinions are at ½, where Wilson's bound has them at 0.
	laplaceQuality = "(total(approval) + 1) / (total(approval) + total(negative) + 2)"
)

// Sources of candidates.

// headsOf takes the heads of each type of a group by its shortest and by its longest half-life.
func headsOf(s *schema.Schema, group string, limit int) []schema.Source {
	var out []schema.Source
	for set := meaning(s, group); set != 0; set &= set - 1 {
		t := &s.Signals[bits.TrailingZeros64(set)]
		if n := len(t.HalfLives); n > 0 {
			src := schema.Source{Kind: schema.FromHead, Signal: t.Name, HalfLife: t.HalfLives[0], Limit: limit}
			out = append(out, src)
			if n > 1 {
				src.HalfLife = t.HalfLives[n-1]
				out = append(out, src)
			}
		}
	}
	return out
}

// risingOf takes the items of which a positive type rises.
func risingOf(s *schema.Schema, limit int) []schema.Source {
	if !keeps(s, "positive", Feature{Kind: FeatureCount}) {
		return nil
	}
	return []schema.Source{{Kind: schema.FromRising, Limit: limit}}
}

// personal are the sources that follow from what the user did.
func personal(s *schema.Schema) []schema.Source {
	sources := []schema.Source{{Kind: schema.FromCoEngaged, Limit: 500}}
	if hasEmbedding(s) {
		sources = append(sources, schema.Source{Kind: schema.FromInterests, Limit: 200})
	}
	if hasCreator(s) {
		sources = append(sources, schema.Source{Kind: schema.FromFollowed, Limit: 200})
	}
	return sources
}

func newestItems(limit int) schema.Source {
	return schema.Source{Kind: schema.FromNewest, Limit: limit}
}

// mostMet takes the items that a group's signals are about most often, of all time.
func mostMet(group string, limit int) schema.Source {
	return schema.Source{Kind: schema.FromMost, Signal: group, Limit: limit}
}

// sampled takes a random part of a large catalogue, and all of a small one.
func sampled(limit int) schema.Source {
	return schema.Source{Kind: schema.FromSample, Limit: limit}
}

// twoPerCreator keeps a list from being one creator's, where items have creators.
func twoPerCreator(s *schema.Schema) schema.Diversity {
	if !hasCreator(s) {
		return schema.Diversity{}
	}
	return schema.Diversity{MaxPer: []schema.MaxPer{{Field: schema.CreatorField, N: 2}}}
}

// ranked takes the heads of a group, and others. Where the group's types keep no scores, only a look at all items finds
// the best.
func ranked(s *schema.Schema, group string, limit int, others ...schema.Source) []schema.Source {
	heads := headsOf(s, group, limit)
	if len(heads) == 0 && meaning(s, group) != 0 {
		return nil
	}
	return slices.Concat(heads, others)
}
