//go:build !planted_apply_twice

package planted

// ApplyTwice applies the last committed entry of a log twice at replay.
const ApplyTwice = false
