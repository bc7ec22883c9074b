// Package fixed is the arithmetic of decayed scores: fixed-point weights, powers of two, logarithms and 128-bit sums,
// in integers only, so that every CPU, compiler and replica computes the same bits.
//
// A signal of weight w at a time that lies elapsed milliseconds after the start of its epoch adds
//
//	fixed.Grow(w, elapsed, halfLife)
//
// to an [Int128]; a read brings such a sum back with [Decayed], and orders many of them by [Log2]. Growing instead of
// decaying is what makes a sum of events independent of their order (Cormode, Shkapenyuk, Srivastava and Xu, "Forward
// Decay", 2009).
//
// Every approximation states its error bound and proves it where it is computed; the tests hold it to that bound
// against math/big. Floating point appears in weight.go alone, at the edge: where an application's number comes in and
// where a score goes out. The package knows no events, epochs or cells.
package fixed
