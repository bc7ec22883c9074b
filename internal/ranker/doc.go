// Package ranker answers queries: it joins what the engine keeps, the views over items, and the profile that says how to
// rank, into one list.
//
//	list, err := r.Run(&ranker.Job{Engine: e, Views: v, Plan: plan, Program: program, At: now})
//
// A list is made in stages: who asks ([person]), candidates from the profile's sources, filters, a first phase that cuts
// thousands down to hundreds by dense columns, a second one that computes every feature of those, gates, boosts, diversity
// and exploration; and last, whatever was hidden, muted or blocked is taken out, against the state of now.
//
// [Views] follow the engine. The package computes only: its caller sees to it that nothing is applied while it reads, and
// brings the time. A [Ranker] serves one query at a time and keeps its memory for the next.
package ranker
