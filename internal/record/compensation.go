package record

import (
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// Compensation is the body of [KindCompensate] and of [KindDuplicate]: it takes back what one signal added. It holds that signal's whole
// effect, so that it can be applied before the signal arrives, or where the signal never does.
type Compensation struct {
	// Original is the position of the signal.
	Original id.Position
	// Time is the signal's event time, in Unix milliseconds.
	Time int64
	// Schema is the version that the signal was stamped under.
	Schema schema.Hash
	// Signal is the signal itself, with the facts that were resolved for it.
	Signal Signal
}

// Check refuses a compensation that can't be written.
func (x *Compensation) Check() error {
	if x.Original.Seq == 0 {
		return fault.Refuse("original", "names no event")
	}
	if err := checkTime(x.Time); err != nil {
		return err
	}
	return x.Signal.Check()
}

func (x *Compensation) append(dst []byte) []byte {
	dst = appendPosition(dst, x.Original)
	dst = appendVarint(dst, x.Time)
	dst = append(dst, x.Schema[:]...)
	return x.Signal.append(dst)
}

// DecodeCompensation reads the body of a [KindCompensate] record into x, whose signal it reuses as [DecodeSignal]
// does.
func DecodeCompensation(body []byte, x *Compensation) error {
	c := cursor{b: body}
	*x = Compensation{Signal: Signal{Cohorts: x.Signal.Cohorts}}
	x.Original = c.position()
	x.Time = c.varint()
	copy(x.Schema[:], c.bytes(uint64(len(x.Schema)), "schema hash"))
	at := c.off
	rest := c.rest()
	if err := c.end(); err != nil {
		return err
	}
	if err := DecodeSignal(rest, &x.Signal); err != nil {
		return shift(err, at)
	}
	return asDamage(x.Check(), 0)
}
