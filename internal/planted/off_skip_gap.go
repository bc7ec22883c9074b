//go:build !planted_skip_gap

package planted

// SkipGap applies a batch of another origin though events before it are missing: nobody on its way from packet to state asks.
const SkipGap = false
