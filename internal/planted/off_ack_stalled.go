//go:build !planted_ack_stalled

package planted

// AckStalled acknowledges what waited when a leader's disk stalled.
const AckStalled = false
