package rank

import (
	"iter"
	"math/bits"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// FeatureKind says what a feature of a candidate is.
type FeatureKind uint8

// The features. Each is a finite number; what isn't known is 0. Conditions are 1 if they hold and 0 if not.
const (
	// FeatureScore is the decayed score now, summed over the feature's signal types.
	FeatureScore FeatureKind = iota + 1
	// FeatureTotal is the number of signals since the beginning.
	FeatureTotal
	// FeatureCount is the number of signals within the feature's window, which is never [schema.WindowAll].
	FeatureCount
	// FeatureSum is the plain sum of weights.
	FeatureSum
	// FeatureUnique is the estimated number of different users, summed over the types.
	FeatureUnique
	// FeatureAge is the time since the item was published, in seconds, at least 0; see [schema.PublishedField].
	FeatureAge
	// FeatureNow is the query's time in Unix seconds, the same for all candidates.
	FeatureNow
	// FeatureField is the item's value in Field: of int and float fields the number, of bool fields 1 for true, of time
	// fields Unix seconds.
	FeatureField
	// FeatureHas says whether the item has a value in Field.
	FeatureHas
	// FeatureIs says whether the item's Field is Value; of tags, whether they contain it.
	FeatureIs
	// FeatureAffinity is the decayed weight of what the user did with items of the item's creator: positive signals less
	// negative ones.
	FeatureAffinity
	// FeatureFollows says whether the user follows the item's creator.
	FeatureFollows
	// FeatureSeen says whether the user has seen the item.
	FeatureSeen
	// FeatureMark says whether the user's mark Mark is set on the item.
	FeatureMark
	// FeatureKnown says whether the query has a user of whom anything is known that can rank, the same for all candidates.
	FeatureKnown
	// FeatureInterest is the largest cosine between the item's embedding and the user's interests, in [-1, 1].
	FeatureInterest
	// FeatureCoEngaged is how much those who engaged with what the user engaged with engaged with this item, in [0, 1].
	FeatureCoEngaged
	// FeatureSimilar is the cosine between the embeddings of the item and of the query's item, in [-1, 1].
	FeatureSimilar
	// FeatureCoSimilar is how much those who engaged with the query's item engaged with this one, in [0, 1].
	FeatureCoSimilar
	// FeatureTrend is the item's decayed score of approval next to the highest of all items, in [0, 1]: summed over the
	// types of the group approval, each under its longest half-life. It is never of a cohort.
	FeatureTrend
	// FeatureRising is how much the last hour of the item stood out from its last day, as of its newest signals and halved
	// with each hour since: summed over the positive types, each in units of its own deviation. It is never of a cohort.
	FeatureRising
	// FeatureRandom is drawn uniformly from [0, 1) by the query's seed and the item's id; see [Uniform].
	FeatureRandom
)

// Feature is one number that a program needs about each candidate. Features are comparable.
type Feature struct {
	Kind FeatureKind
	// Signals are the signal types of the features from [FeatureScore] to [FeatureUnique], which are sums over them: bit i
	// is the type with index i in the schema. A schema has at most 64.
	Signals uint64
	// HalfLife is that of a [FeatureScore]. 0 stands for the first half-life of each type.
	HalfLife time.Duration
	// Window is that of a [FeatureCount].
	Window schema.Window
	// Field and Value belong to [FeatureField], [FeatureHas] and [FeatureIs].
	Field, Value string
	// Mark belongs to [FeatureMark].
	Mark schema.Mark

	text string // canonical, so that equal features have equal texts
}

// String is the feature as an expression has it, such as "count(view, 24h)".
func (f Feature) String() string { return f.text }

// Types yields the indices of the feature's signal types, ascending.
func (f Feature) Types() iter.Seq[int] {
	return func(yield func(int) bool) {
		for set := f.Signals; set != 0; set &= set - 1 {
			if !yield(bits.TrailingZeros64(set)) {
				return
			}
		}
	}
}

// Cheap reports whether the feature can be had for thousands of candidates, from dense columns or from what was
// computed once for the query. The others read the item's cells: counts within windows, sums and different users.
func (f Feature) Cheap() bool {
	return f.Kind != FeatureCount && f.Kind != FeatureSum && f.Kind != FeatureUnique
}

// personal reports whether the feature is about the query's user: 0 for a stranger.
func (f Feature) personal() bool {
	switch f.Kind {
	case FeatureAffinity, FeatureFollows, FeatureSeen, FeatureMark, FeatureKnown, FeatureInterest, FeatureCoEngaged:
		return true
	}
	return false
}

// ofSignals reports whether the feature is about signals, and so another one within a cohort.
func (f Feature) ofSignals() bool { return f.Kind >= FeatureScore && f.Kind <= FeatureUnique }

// Uniform is the value of [FeatureRandom] for an item whose id has the given 64-bit hash: uniform in [0, 1), and for
// another seed another one. It mixes as SplitMix64 does (Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014).
func Uniform(seed, hash uint64) float64 {
	z := mix(seed+0x9e3779b97f4a7c15) ^ hash
	return float64(mix(z+0x9e3779b97f4a7c15)>>11) * (1.0 / (1 << 53))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
