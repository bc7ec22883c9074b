//go:build !planted_keep_both

package planted

// KeepBoth lets both copies of a request that two regions accepted count.
const KeepBoth = false
