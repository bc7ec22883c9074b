//go:build !planted_skip_gap

package planted

// SkipGap applies a batch of another origin though events before it are missing.
const SkipGap = false
