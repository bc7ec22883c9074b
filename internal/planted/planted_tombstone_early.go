//go:build planted_tombstone_early

package planted

// TombstoneEarly takes an event for stable as soon as one region has reported it.
const TombstoneEarly = true
