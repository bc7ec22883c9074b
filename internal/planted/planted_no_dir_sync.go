//go:build planted_no_dir_sync

package planted

// NoDirSync leaves the name of a new log file to chance.
const NoDirSync = true
