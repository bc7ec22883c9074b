//go:build planted_hide_by_intersection

package planted

// HideByIntersection takes a hide for one only where both copies of a relation have it.
const HideByIntersection = true
