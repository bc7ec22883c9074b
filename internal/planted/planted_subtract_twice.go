//go:build planted_subtract_twice

package planted

// SubtractTwice subtracts what a compensation of another origin takes back twice.
const SubtractTwice = true
