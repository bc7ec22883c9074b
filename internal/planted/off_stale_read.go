//go:build !planted_stale_read

package planted

// StaleRead answers a strong read with what is applied here, without asking anybody.
const StaleRead = false
