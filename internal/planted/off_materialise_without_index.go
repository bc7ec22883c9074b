//go:build !planted_materialise_without_index

package planted

// MaterialiseWithoutIndex commits what a range changed before the entry that it is the state after.
const MaterialiseWithoutIndex = false
