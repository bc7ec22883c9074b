//go:build !planted_cut_damage

package planted

// CutDamage takes damage in front of a sync mark for a torn tail, and cuts it.
const CutDamage = false
