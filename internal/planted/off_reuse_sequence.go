//go:build !planted_reuse_sequence

package planted

// ReuseSequence numbers from the last record again after a restart.
const ReuseSequence = false
