package heads

import "github.com/tidaldb/tidal/internal/algebra"

// Rising is what the column of the same name orders by, in Q32.
func Rising(cell *algebra.SignalState) (int64, bool) {
	v := risingOf(cell)
	return int64(v) << risingLift, v != noRising
}

// Highest is the selection that heads are cut by.
func Highest(s []int64, k int) int64 { return highest(s, k) }
