//go:build !planted_stamp_early

package planted

// StampEarly lets a leader stamp before the first entry of its term is applied.
const StampEarly = false
