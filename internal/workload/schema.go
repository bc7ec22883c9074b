package workload

import (
	"time"

	"github.com/tidaldb/tidal/schema"
)

// types are the signal types with how often, of 100 signals, each is sent. The order is that of [Schema].
var types = [...]struct {
	name  string
	share int
}{
	{"view", 55},
	{"click", 18},
	{"like", 8},
	{"skip", 6},
	{"start", 4},
	{"complete", 3},
	{"save", 2},
	{"share", 2},
	{"comment", 1},
	{"purchase", 1},
}

// Types is the number of signal types of [Schema].
const Types = len(types)

// TypeName returns the name of a signal type.
func TypeName(t uint8) string { return types[t].name }

// HalfLife returns the first half-life of a signal type: 6 hours, a day and a week, in turn.
func HalfLife(t uint8) time.Duration { return halfLives()[int(t)%3] }

func halfLives() []time.Duration {
	return []time.Duration{6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
}

// Schema declares ten signal types, each with all windows. With all false a type has one half-life, see [HalfLife];
// with all true it has the three of them. Every signal marks its item as seen by its user. None sets a register (liked,
// saved), estimates unique users or keeps a plain sum.
func Schema(all bool) *schema.Schema {
	s := &schema.Schema{Name: "bench"}
	for t, x := range types {
		half := []time.Duration{HalfLife(uint8(t))}
		if all {
			half = halfLives()
		}
		meaning := schema.Positive
		if x.name == "skip" {
			meaning = schema.Negative
		}
		s.Signals = append(s.Signals, schema.SignalType{
			Name: x.name, HalfLives: half, Meaning: meaning, Seen: true,
			Windows: []schema.Window{
				schema.Window1h, schema.Window24h, schema.Window7d, schema.Window30d, schema.WindowAll,
			},
		})
	}
	if err := s.Validate(); err != nil {
		panic("workload: the schema isn't valid: " + err.Error())
	}
	return s
}
