//go:build !planted_keep_conflict

package planted

// KeepConflict keeps one entry too many when others take the place of a suffix of the log.
const KeepConflict = false
