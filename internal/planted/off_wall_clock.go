//go:build !planted_wall_clock

package planted

// FoldByWallClock counts events when they were stamped, not when they happened.
const FoldByWallClock = false
