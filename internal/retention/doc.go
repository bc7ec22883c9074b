// Package retention decides what of a group's log may go: the call is [Plan], a pure function of a [Policy] and of
// [Facts] that its caller collected, and its answer is a [Decision] that the caller carries out.
//
// A stretch of log stays while the store hasn't flushed it, a replica of the group still reads it, a region lacks any
// of its events, it is younger than the policy's retention, or somebody pinned it. What stays for the last region's
// sake grows without bound if that region is gone, so a size limit raises an alarm, and then, for what is old enough,
// asks for compaction: what is needed of the oldest stretches is kept outside of the log, as their exact sum or as
// compressed batches, and the log goes. Nothing is given up silently, and what is pinned or may still be retried is never
// compacted. Pins have an alarm of their own, and a limit beyond which the oldest goes in spite of them, which the decision
// says.
//
// The package reads no clock and no file, and doesn't compact: package host does. [Stable] says which events every region has,
// and [Turn] and [Floor] are the rules by which what deletes leave behind can be forgotten (docs/decisions/0054); nobody goes by them yet.
package retention
