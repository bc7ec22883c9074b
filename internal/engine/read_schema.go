package engine

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/schema"
)

// Schemas returns all versions of the schema that are known, by number and hash. They must not be changed. Regions that add
// to it at the same time make two of one number, of which one is current.
func (e *Engine) Schemas() []*schema.Schema {
	all := make([]*version, 0, len(e.versions))
	for _, v := range e.versions {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *version) int {
		return cmp.Or(cmp.Compare(a.schema.Version, b.schema.Version), bytes.Compare(a.hash[:], b.hash[:]))
	})
	out := make([]*schema.Schema, len(all))
	for i, v := range all {
		out[i] = v.schema
	}
	return out
}
