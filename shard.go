package tidal

import (
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// here refuses a record that is filed in another shard than this database is. A signal is its user's, or without one its item's.
func (db *DB) here(p *record.Proposed) error {
	kind, name := filed(p)
	if name == "" {
		return nil // it's of the database itself
	}
	if at, own := db.router.Shard(kind, name), db.host.Origin().Shard; at != own {
		return fault.Refuse("shard", "is %d for %s %q, and this database is shard %d", at, kind, name, own)
	}
	return nil
}

// filed returns whose record it is.
func filed(p *record.Proposed) (id.Kind, string) {
	switch p.Kind {
	case record.KindSignal:
		if p.Signal.User == "" {
			return id.KindItem, p.Signal.Item
		}
		return id.KindUser, p.Signal.User
	case record.KindMark:
		return id.KindUser, p.Mark.User
	case record.KindRelation:
		return id.KindUser, p.Relation.User
	case record.KindPut, record.KindPatch, record.KindDelete:
		return p.Entity.Kind, p.Entity.ID
	case record.KindErase:
		return id.KindUser, p.Erase.User
	}
	return 0, ""
}
