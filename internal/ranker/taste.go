package ranker

import (
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/vector"
)

// Taste returns what a user likes most as of a time in Unix milliseconds: the interest of the greatest mass among those
// that lists are made from, of length 1. It is nil for a user who liked nothing that has a vector, and without embeddings.
// The user is resident; the vector is the caller's.
func Taste(e *engine.Engine, v *Views, user string, q int64) ([]float32, error) {
	set := v.vectors("")
	s, _ := e.Schema()
	if set == nil || s == nil {
		return nil, nil
	}
	var who person
	if err := who.read(e, v, s, user, q); err != nil {
		return nil, err
	}
	interests := vector.Interests(set, who.weights(nil), vector.MaxInterests)
	if len(interests) == 0 {
		return nil, nil
	}
	return interests[0].Vector, nil
}
