package rank

import "github.com/tidaldb/tidal/schema"

// argument is what a place in a call takes.
type argument uint8

const (
	argNumber    argument = iota
	argCondition          // what is true or false
	argType               // a signal type, positive, negative, approval or signal
	argHalfLife           // a duration that the type declares
	argWindow             // 1h, 24h, 7d, 30d, all or window
	argNumeric            // a field of type int, float, bool or time
	argField              // a field of any type
	argTextual            // a field of type keyword or tags
	argText               // a text in quotes
)

// word is a name of the language: a function of numbers if op is set, else a feature.
type word struct {
	name string
	// args are what a call takes, the last optional ones may be left out; nil for a name without parentheses.
	args     []argument
	optional int
	variadic bool // the last argument may come again
	op       opcode
	feature  FeatureKind
	mark     schema.Mark
	cond     bool // the result is a condition
	// call and doc are the row in docs/ranking.md; needs says what a schema must have for it, lest it be 0.
	call, doc, needs string
}

// vocabulary is the whole of the language but for its operators; a constant table, and the source of the tables in
// docs/ranking.md.
var vocabulary = [...]word{
	{
		name: "score", args: []argument{argType, argHalfLife}, optional: 1, feature: FeatureScore,
		call: "score(type)`, `score(type, half_life)", needs: "half_lives",
		doc: "decayed score now, in the unit of weights; without a half-life, the type's first",
	},
	{
		name: "total", args: []argument{argType}, feature: FeatureTotal,
		call: "total(type)", doc: "number of signals since the beginning",
	},
	{
		name: "count", args: []argument{argType, argWindow}, feature: FeatureCount,
		call: "count(type, window)", needs: "windows",
		doc: "number of signals within the window; `count(type, all)` is `total(type)`",
	},
	{
		name: "velocity", args: []argument{argType, argWindow}, feature: FeatureCount,
		call: "velocity(type, window)", needs: "windows",
		doc: "signals per hour: the count within the window over its hours; `all` has none",
	},
	{
		name: "sum", args: []argument{argType}, feature: FeatureSum, needs: "permanent",
		call: "sum(type)", doc: "plain sum of weights since the beginning",
	},
	{
		name: "unique", args: []argument{argType}, feature: FeatureUnique, needs: "unique_users",
		call: "unique(type)", doc: "estimated number of different users since the beginning, within about 3 %",
	},

	{
		name: "trend", feature: FeatureTrend, call: "trend", needs: "half_lives",
		doc: "decayed approval next to that of the item that has most of it, in [0, 1]; by the longest half-lives",
	},
	{
		name: "rising", feature: FeatureRising, call: "rising", needs: "windows",
		doc: "by how many deviations the last hour of positive signals stood out from the last day, halved with each hour since",
	},
	{
		name: "age", feature: FeatureAge, call: "age",
		doc: "seconds since the item's field `published`, or since its last change where it has none; never below 0",
	},
	{name: "now", feature: FeatureNow, call: "now", doc: "the query's time, in Unix seconds"},
	{
		name: "field", args: []argument{argNumeric}, feature: FeatureField, call: "field(name)",
		doc: "value of a field of type int, float, bool (1 or 0) or time (Unix seconds); 0 if it isn't set",
	},
	{
		name: "has", args: []argument{argField}, feature: FeatureHas, cond: true, call: "has(name)",
		doc: "whether the field is set",
	},
	{
		name: "is", args: []argument{argTextual, argText}, feature: FeatureIs, cond: true, call: "is(name, \"text\")",
		doc: "whether a field of type keyword is the text, or one of type tags contains it",
	},
	{
		name: "random", feature: FeatureRandom, call: "random",
		doc: "uniform in [0, 1), by the query's seed and the item: stable over the pages of a list",
	},

	{
		name: "known", feature: FeatureKnown, cond: true, call: "known",
		doc: "whether the query has a user of whom anything is known; if not, all from here to `in_progress` are 0",
	},
	{
		name: "co_engaged", feature: FeatureCoEngaged, call: "co_engaged",
		doc: "how much those who engaged with what the user engaged with engaged with this item, in [0, 1]",
	},
	{
		name: "interest", feature: FeatureInterest, call: "interest", needs: "an embedding of items",
		doc: "largest cosine between the item and one of the user's interests, in [-1, 1]",
	},
	{
		name: "affinity", feature: FeatureAffinity, call: "affinity", needs: "the field creator",
		doc: "what the user did with items of this creator: decayed weights, negative signals subtracted",
	},
	{
		name: "follows", feature: FeatureFollows, cond: true, call: "follows", needs: "the field creator",
		doc: "whether the user follows the item's creator",
	},
	{name: "seen", feature: FeatureSeen, cond: true, call: "seen", doc: "whether the user has seen the item"},
	{
		name: "liked", feature: FeatureMark, mark: schema.Liked, cond: true, call: "liked",
		doc: "whether the user's mark is set",
	},
	{name: "saved", feature: FeatureMark, mark: schema.Saved, cond: true, call: "saved", doc: "likewise"},
	{
		name: "in_progress", feature: FeatureMark, mark: schema.InProgress, cond: true, call: "in_progress",
		doc: "likewise",
	},

	{
		name: "similar", feature: FeatureSimilar, call: "similar", needs: "an embedding of items",
		doc: "cosine between the item and the item that the query is about, in [-1, 1]; 0 if there is none",
	},
	{
		name: "co_similar", feature: FeatureCoSimilar, call: "co_similar",
		doc: "how much those who engaged with the query's item engaged with this one, in [0, 1]",
	},

	{
		name: "min", args: []argument{argNumber, argNumber}, variadic: true, op: opMin, call: "min(x, y, …)",
		doc: "the least",
	},
	{
		name: "max", args: []argument{argNumber, argNumber}, variadic: true, op: opMax, call: "max(x, y, …)",
		doc: "the greatest",
	},
	{
		name: "clamp", args: []argument{argNumber, argNumber, argNumber}, op: opClamp, call: "clamp(x, low, high)",
		doc: "`min(max(x, low), high)`",
	},
	{
		name: "if", args: []argument{argCondition, argNumber, argNumber}, op: opIf, call: "if(condition, x, y)",
		doc: "x if the condition holds, else y",
	},
	{name: "abs", args: []argument{argNumber}, op: opAbs, call: "abs(x)", doc: "x without its sign"},
	{name: "sqrt", args: []argument{argNumber}, op: opSqrt, call: "sqrt(x)", doc: "square root; 0 for x < 0"},
	{name: "exp", args: []argument{argNumber}, op: opExp, call: "exp(x)", doc: "e^x"},
	{name: "ln", args: []argument{argNumber}, op: opLn, call: "ln(x)", doc: "natural logarithm; 0 for x ≤ 0"},
	{name: "log2", args: []argument{argNumber}, op: opLog2, call: "log2(x)", doc: "logarithm to base 2; 0 for x ≤ 0"},
	{
		name: "log10", args: []argument{argNumber}, op: opLog10, call: "log10(x)",
		doc: "logarithm to base 10; 0 for x ≤ 0",
	},
	{name: "pow", args: []argument{argNumber, argNumber}, op: opPow, call: "pow(x, y)", doc: "`x ^ y`"},
	{name: "sigmoid", args: []argument{argNumber}, op: opSigmoid, call: "sigmoid(x)", doc: "1 / (1 + e^−x), in [0, 1]"},
	{
		name: "wilson", args: []argument{argNumber, argNumber}, op: opWilson, call: "wilson(good, n)",
		doc: "lower bound of the Wilson interval at 95 % for good out of n, in [0, 1]; 0 for n ≤ 0",
	},
}

// group is a name that stands for several signal types.
type group struct{ name, doc string }

// groups are the names that stand where a signal type may; a constant table.
var groups = [...]group{
	{"positive", "the types whose meaning is positive"},
	{"negative", "the types whose meaning is negative or hard negative"},
	{"approval", "the positive types that don't mark the item as seen, such as like, save and share beside view; " +
		"where each one does, all positive types"},
	{"signal", "the query's signal; where the query names none, `signal(view)` is view and `signal` alone is positive"},
}

// find returns a word of the language, nil if there's none of that name.
func find(name string) *word {
	for i := range vocabulary {
		if vocabulary[i].name == name {
			return &vocabulary[i]
		}
	}
	return nil
}
