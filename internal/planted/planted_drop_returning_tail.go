//go:build planted_drop_returning_tail

package planted

// DropReturningTail gives other regions no more of the own origin than this process has in memory: what was stamped before it
// began, and hadn't left then, stays here.
const DropReturningTail = true
