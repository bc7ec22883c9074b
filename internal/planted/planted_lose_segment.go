//go:build planted_lose_segment

package planted

// LoseSegment leaves the last file of the log out when the log is recovered.
const LoseSegment = true
