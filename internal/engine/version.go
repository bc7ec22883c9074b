package engine

import (
	"bytes"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/schema"
)

// version is one schema version, made ready for apply: what each of its signal types does.
type version struct {
	schema *schema.Schema
	hash   schema.Hash
	types  []typeRules
}

// typeRules is what one signal type does to state. An event has exactly the effects of the version it was stamped
// under, whatever is added later.
type typeRules struct {
	name  string
	shape algebra.Shape
	// recent: the signal joins the user's recents and counts for the user's creator; engages: the user joins the
	// item's engagers; hides: the item is hidden from the user.
	recent, engages, hides bool
	seen                   bool
	// sets and clears are the marks that the signal sets and clears.
	sets, clears []schema.Mark
}

func compile(s *schema.Schema) *version {
	v := &version{schema: s, hash: s.Hash(), types: make([]typeRules, len(s.Signals))}
	for i := range s.Signals {
		t := &s.Signals[i]
		r := typeRules{
			name:    t.Name,
			shape:   algebra.Shape{Permanent: t.Permanent, Buckets: len(t.Windows) > 0, Unique: t.UniqueUsers},
			recent:  t.Meaning != schema.Neutral,
			engages: t.Meaning == schema.Positive,
			hides:   t.Meaning == schema.HardNegative,
			seen:    t.Seen,
			sets:    t.Sets,
			clears:  t.Clears,
		}
		for _, h := range t.HalfLives {
			r.shape.HalfLives = append(r.shape.HalfLives, h.Milliseconds())
		}
		v.types[i] = r
	}
	return v
}

// supersedes reports whether v is newer than w: by number, then by hash, so that every replica that knows the same
// versions takes the same one for current.
func (v *version) supersedes(w *version) bool {
	if w == nil || v.schema.Version != w.schema.Version {
		return w == nil || v.schema.Version > w.schema.Version
	}
	return bytes.Compare(v.hash[:], w.hash[:]) > 0
}
