//go:build planted_wall_unhide

package planted

// WallUnhide compares a hide and an un-hide by their wall time alone.
const WallUnhide = true
