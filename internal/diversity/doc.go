// Package diversity mixes a ranked list: not everything by one creator, at least two of what is rare, no near copies
// side by side. It takes candidates, best first, and says which of them come at which place:
//
//	var mixer diversity.Mixer // keeps its memory from list to list
//	picks, violations := mixer.Mix(&diversity.Input{
//		Rules: &profile.Diversity, Scores: scores, Items: items, Limit: 25,
//	}, nil)
//
// The rules count over the whole list. A list is never made shorter for them: it has as many items as there are places
// and candidates. Where candidates don't allow all rules, rules give way in a fixed order, each only as far as it must,
// and what isn't kept is reported ([Mixer.Mix]).
//
// It is a pure function of its input, without clock and randomness. It doesn't know what the values of fields are, only
// which of them are equal.
package diversity

// Notes for maintainers.
//
// Two steps. The greedy one (greedy.go) goes from the best candidate down, keeps places for minimums that are still to
// be met, and takes the smallest evil when nothing fits; nearly every list ends there without a violation. If not, a
// search (search.go) asks rule by rule, from the most important down, whether another choice of items would have kept
// it. To choose items under two caps is a matching, under caps on sets of tags a set packing, so the search is exact
// for small inputs and bounded for large ones: beyond the bound what greed found stands. The greedy step then orders
// what the search chose.
//
// What is measured is the excess of a cap (the largest over its values) and the deficit of a minimum. Items at fixed
// places count, but an excess that they alone make is not one that candidates could avoid: a value that has more of
// them than its cap is full, and no other value gets room for it.
