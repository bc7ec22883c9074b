//go:build planted_forget_vote

package planted

// ForgetVote forgets at a restart for whom the replica voted, and in which term, as far as its entries don't tell.
const ForgetVote = true
