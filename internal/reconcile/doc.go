// Package reconcile decides how two sides that have taken different events get to hold the same, and closes the gap:
//
//	engine := reconcile.New(local, remote)
//	plan := engine.Plan(reconcile.Survey(localLog, place, here, there), reconcile.Survey(remoteLog, place, there, here))
//	err := engine.Apply(plan, show)
//
// A plan says, origin by origin, what goes which way: the batches as they were stamped, or compacted ranges where these are
// fewer bytes or the batches are gone. It is a function of the two states alone. Applying it hands entries to each side's own
// group, behind what that side's vector says; so it may be begun again, repeated, or left off at any point, by both sides.
//
// Package ship asks it each time a subscriber is to be sent something from the log. It doesn't know what records mean, and
// compares no contents: two sides with one vector hold the same.
package reconcile
