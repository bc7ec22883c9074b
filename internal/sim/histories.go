package sim

import (
	"fmt"

	"github.com/anishathalye/porcupine"
	"github.com/tidaldb/tidal/internal/hidden"
)

// registered is one operation on a register: it was set, or read. A value of 0 is that of one that was never set.
type registered struct {
	register  int
	set       bool
	value     int64
	call, ret int64
}

// registerModel is what a register is: what was set last.
var registerModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		if input.(registered).set {
			return true, input.(registered).value
		}
		return state.(int64) == output.(int64), state
	},
}

// linearizable checks the registers' history: strong reads and acknowledged writes have an order, the same for all who
// look, in which each read sees what was set last.
func (r *readers) linearizable() error {
	for k := range registersThere {
		var history []porcupine.Operation
		for _, x := range r.registers {
			if x.register == k {
				history = append(history, porcupine.Operation{Input: x, Output: x.value, Call: x.call, Return: x.ret})
			}
		}
		if !porcupine.CheckOperations(registerModel, history) {
			return fmt.Errorf("strong reads of register %d and what it was set to have no order", k)
		}
	}
	return nil
}

// hiddenStays checks that nothing was shown that was hidden.
func (r *readers) hiddenStays() error {
	if v := hidden.Check(r.hides); len(v) > 0 {
		return fmt.Errorf("what is hidden is shown: %v", v[0])
	}
	return nil
}
