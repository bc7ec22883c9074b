// Package eval measures how well lists foresee what users like, on the events that a database holds:
//
//	result, err := eval.Run(ctx, eval.Options{Dir: dir, ForYou: eval.ForYou, Now: time.Now})
//
// It reads the directory's log, hides some events from everybody who ranks, lets each way to rank make a list for each
// test user from the rest, and looks where in the list the hidden items are. Two splits are made. Leave-last-out hides
// each user's last positive event on an item that was new to them, and what they did afterwards. The temporal split
// hides everything behind the oldest 80 % of events.
//
// Lists are of all items but those that the user met in training; no sample of candidates stands in for them, because
// sampled figures may rank systems the wrong way round (Krichene & Rendle, "On Sampled Metrics for Item
// Recommendation", KDD 2020).
//
// Popularity and item-to-item neighbours, with and without decay, are computed here from the same training events. The
// database under test is a real one: the training events are written, in order and under their own times, into a
// temporary directory, whose clock ends at the newest of them. Events under test never reach it.
//
// The package doesn't tune anything, and knows no data set: one set of settings serves all.
package eval

// A map of the files: log.go reads a directory; data.go groups its events into interactions, positive.go says which of
// them a list should foresee; split.go hides some; training.go is what is left, for baselines (popularity.go, knn.go)
// and, by refold.go, for a database (database.go); score.go has the lists made and scores them by metrics.go,
// distance.go and bootstrap.go; run.go joins all of it to a result.go.
