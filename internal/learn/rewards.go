package learn

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/schema"
)

// Rewards says what a signal of each type is worth: above 0 for what was good, below for what was bad, 0 for what only shows
// that the item was seen. Types that aren't named don't count at all.
type Rewards map[string]float64

// RewardsOf takes rewards from a schema: 1 for positive types, −1 for negative and hard negative ones, 0 for neutral ones.
func RewardsOf(s *schema.Schema) Rewards {
	r := Rewards{}
	for i := range s.Signals {
		t := &s.Signals[i]
		switch t.Meaning {
		case schema.Positive:
			r[t.Name] = 1
		case schema.Negative, schema.HardNegative:
			r[t.Name] = -1
		default:
			r[t.Name] = 0
		}
	}
	return r
}

// text is an id as a JSON text can hold it: one that isn't UTF-8 stands in base64 behind "base64:".
func text(id string) string {
	if utf8.ValidString(id) {
		return id
	}
	return "base64:" + base64.StdEncoding.EncodeToString([]byte(id))
}

// stamp is a time as an exported event has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
