package query

// The bounds of queries.
const (
	// MaxLimit is the longest list that a query can ask for.
	MaxLimit = 500
	// DefaultLimit is the length of a list whose query doesn't say.
	DefaultLimit = 25

	// defaultProfile ranks lists whose query doesn't say by what.
	defaultProfile = "for_you"

	// maxText is the longest query or filter in the text form, in bytes, and maxJSON the longest one in JSON: ids take
	// more room there.
	maxText = 64 << 10
	maxJSON = 1 << 20
	// maxNodes is how many values a query in JSON has, each array and each object counted as one.
	maxNodes = 1 << 16
	// maxDepth is how deep AND, OR, NOT and parentheses may be nested.
	maxDepth = 32
	// maxConditions is how many comparisons and conditions a query's filters have together.
	maxConditions = 256
	// maxValues is how many values an IN takes.
	maxValues = 1000
	// maxExclude is how many items a query can exclude.
	maxExclude = 1000
	// maxPins, maxBuries and maxBoosts bound how much of a list is arranged by hand.
	maxPins   = 100
	maxBuries = 100
	maxBoosts = 16
	// maxRules bounds each kind of rule of a diversity.
	maxRules = 16

	// maxFactor is the largest factor of a boost and maxExplore the largest part of a list for exploration.
	maxFactor  = 1000
	maxExplore = 0.5
	// maxName is the longest name of a cohort, a collection or a profile, in bytes.
	maxName = 512
	// maxToken is the longest cursor or reference to an earlier list, in bytes.
	maxToken = 40 << 10
)
