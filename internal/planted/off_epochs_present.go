//go:build !planted_epochs_present

package planted

// EpochsPresent keeps the five newest epochs that have events, not those behind the mark.
const EpochsPresent = false
