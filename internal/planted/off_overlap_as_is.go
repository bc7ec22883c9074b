//go:build !planted_overlap_as_is

package planted

// OverlapAsIs applies a range of which a part is here without taking that out first.
const OverlapAsIs = false
