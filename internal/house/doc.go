// Package house holds the tests that keep the tree in order: which package may import which, what deterministic code
// may not use, comments, formatting, links and dependencies. It exports nothing; run it with go test.
//
// The rules that need judgement are lists beside the tests, read by people as much as by machines: imports.txt,
// forbidden.txt and determinism.txt. To loosen a list in order to make a build pass is a change of the design.
package house
