// Package explore gives places of a list to items that the score wouldn't have chosen, so that what is new or unknown
// is seen at all, and so that the log of what was shown can tell how another way of ranking would have done.
//
// First the places, then, once the rest of the list is known, what comes there:
//
//	places := explore.Places(25, profile.Explore, pinned, seed)
//	… rank and mix around the places …
//	picks, empty := explore.Draw(places, profile.Explore, pools, shown, seed)
//
// Each [Pick] says with which probability it was drawn, its propensity; whatever was ranked was certain to come where
// it is, and has propensity 1. [Replay] reads a log of picks and rewards and estimates how another policy would fare.
//
// Everything follows from the seed: the same list, slots, pools and seed give the same draw on every machine. The
// package doesn't know what pools hold or why.
package explore

// Notes for maintainers.
//
// A draw depends on the seed through generators that no other draw disturbs: one for the places of the list, and one a
// slot for what is drawn there. A generator is PCG-DXSM (math/rand/v2, rand.NewPCG) with the query's seed as its first
// number and the 64-bit FNV-1a hash of the slot's name as its second; for the places, of the empty name. What is made
// of its numbers is written out in random.go rather than left to rand.Rand, whose methods may change with a release of
// Go; the golden file in testdata holds it. Changing any of it breaks lists that are asked for again by their seed.
