// Package ope estimates, from a log of what one policy showed and what came of it, what another policy would have
// brought (off-policy evaluation):
//
//	rounds, err := ope.ReadOpenBandit(file)
//	result, err := ope.Evaluate(rounds, ope.Uniform(rounds), ope.Options{})
//
// The log has to tell with which probability each action was chosen; nothing else of the policy that made it is needed.
// Three estimates are made, each with a standard error and a 95 % interval:
//
//   - IPS weighs each reward by how much more probable the target makes the action than the log did (D. Horvitz, D.
//     Thompson, A Generalisation of Sampling Without Replacement from a Finite Universe, JASA 47, 1952). It is unbiased.
//   - SNIPS divides by the sum of the weights rather than by the number of rounds (A. Swaminathan, T. Joachims, NIPS
//     2015). It is nearly unbiased, and mostly varies less.
//   - DR takes a model of rewards and corrects it by the weighted rest (M. Dudík, D. Erhan, J. Langford, L. Li, Doubly
//     Robust Policy Evaluation and Optimization, Statistical Science 29, 2014). The model that corrects a round was
//     fitted without it, so it remains unbiased however poor the model is.
//
// [Evaluate] says how intervals are made. Where the target chooses what the log never shows nothing can be estimated:
// that is a [SupportError], unless [Options.Missing] allows for it.
//
// Policies are told what kind of place they fill and a context, which may be the user, but no features. The package
// reads logs and policies from streams that it is given; it opens no files and knows no database.
package ope

// A map of the files: round.go is what a log is made of; policy.go are policies, and table.go one that is read from a
// file; model.go is the reward model; evaluate.go joins weights, model and rewards to estimates, support.go refuses what
// they can't say, and interval.go says how sure they are. openbandit.go and exported.go read logs.
