// Package hidden proves of a history that nothing hidden was served: the promise that a list which begins after a hide was
// acknowledged doesn't contain what was hidden.
//
// A history is a list of operations, each with when it began and when it was answered, by any clock that doesn't run
// backwards; operations may overlap. [Check] returns the items that no order of the overlapping ones allows to have been
// served:
//
//	violations := hidden.Check(ops)
//
// [Read] reads a history from JSON lines, as tests and programs write it. The package knows nothing of how lists are made,
// which is what makes it worth asking.
package hidden
