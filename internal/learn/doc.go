// Package learn brings exported events into the shapes that learning libraries read: pairs of a chosen and a rejected item of
// one list ([Pairs]), as preference learning wants them, and episodes of what one user met, step by step ([Episodes]), as
// reinforcement learning from logs does.
//
//	p := learn.NewPairs(learn.PairOptions{Rewards: learn.RewardsOf(db.Schema())})
//	for x, err := range db.Export(ctx, q) {
//		…
//		write(p.Add(&x)...)
//	}
//	write(p.Rest()...)
//
// Both are functions of the events in their order: the same export gives the same lines. They hold what is open (lists that may
// still get an answer, episodes that may go on) and nothing else, and have bounds for that. Neither reads a file or a clock,
// knows what an item is about, or learns anything.
package learn
