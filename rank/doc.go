// Package rank is how lists are ordered: a small language of formulae, the built-in profiles that are written in it,
// and the compiler that turns a profile into a program which scores candidates.
//
// A profile is data ([schema.Profile]). [Lookup] finds one by name, built in or the schema's own, and [Compile] checks
// it against the schema and against what the query leaves open:
//
//	p, err := rank.Lookup(s, "trending", 0)
//	prog, err := rank.Compile(p, s, rank.Params{})
//	for i, f := range prog.Features() {
//		values[i] = … // what f is for this candidate
//	}
//	if prog.Pass(values) {
//		score := prog.Score(values)
//	}
//
// [Program.Explain] gives the same score term by term. docs/ranking.md has the whole language, the built-in profiles
// with their formulae, and how to write one.
//
// The package computes only. It doesn't know where features come from: who calls it fetches candidates, computes their
// features, applies the query's pins, buries and boosts, and mixes the list.
package rank

// Notes for maintainers.
//
// A text becomes a list of tokens (lex.go), a tree of what was written (parse.go), a tree of what it means (check.go,
// with names resolved against the schema and constants folded), and instructions (code.go). vocabulary.go is the one
// table of the language's words: the checker reads it, and so does the page docs/ranking.md, which a test holds against
// it.
//
// There are two machines for the same instructions: run (code.go) takes one candidate, columnMachine (columns.go) a
// tile of 64. On the machine that this was written on, a candidate's first phase of for_you took 75 ns by itself and 35
// ns among 2,000; its score 200 and 100. Both use the operations of ops.go and step.go, and a property test holds them
// together bit by bit. A part that several steps share is computed once (share.go), and if computes one branch alone,
// so what is for users without a history costs others nothing.
//
// Every operation is total: its result is a finite number whatever its operands are (ops.go), so no text that compiles
// can make a score that can't be compared. What is undefined is 0. Conditions are the numbers 0 and 1 at run time, and
// a type of their own while compiling: a condition may stand for a number, never the other way round.
//
// Determinism. One program with equal values gives equal bits on every run of one build. Across kinds of processors, +
// − × ÷, comparisons, min, max, abs and sqrt are exact, too: each is rounded by itself, since products are converted to
// float64 explicitly, which forbids the compiler to fuse them with an addition as it otherwise does on arm64 and
// others. exp, ln, log2, log10, ^, pow and sigmoid come from package math, which has its own assembly for some
// processors and may fuse within: there the last bit may differ. That is allowed. Scores are answers, computed when
// read; nothing of them is replicated, and no digest holds one.
//
// Scores are within ±1e300, far enough from the end of the range that a sum of two never overflows; that is why the
// deltas of an explanation add up to the score bit for bit (step.go).
