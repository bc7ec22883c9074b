package engine

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Creator returns the creator that an item's fields name, empty if none.
func (e *Engine) Creator(item string) string {
	n, ok := e.table.Find(id.KindItem, item)
	if !ok {
		return ""
	}
	encoded, ok := e.table.Get(entityKey(id.KindItem, n))
	if !ok {
		return ""
	}
	creator := ""
	algebra.ScanEntity(encoded, func(name, value []byte) {
		if string(name) != schema.CreatorField {
			return
		}
		if v, err := schema.DecodeValue(value); err == nil {
			creator, _ = v.Text()
		}
	})
	return creator
}

// RegisterStamp returns the highest stamp of the registers that a proposed record would write, 0 if none was written
// yet. A leader that stamps above it is sure to override them. Of a cold user's it says what is sure to be as high: the
// highest stamp of all registers.
func (e *Engine) RegisterStamp(p *record.Proposed) hlc.Timestamp {
	if user := userOf(p); user != "" && e.Cold(user) {
		return e.highestRegister
	}
	switch p.Kind {
	case record.KindSignal:
		s := &p.Signal
		return max(e.marksStamp(s.User, s.Item), e.relationStamp(s.User, record.HideItem, s.Item))
	case record.KindMark:
		return e.marksStamp(p.Mark.User, p.Mark.Item)
	case record.KindRelation:
		return e.relationStamp(p.Relation.User, p.Relation.Which, p.Relation.Target)
	case record.KindPut, record.KindPatch, record.KindDelete:
		return e.entityStamp(p.Entity.Kind, p.Entity.ID)
	case record.KindErase:
		return e.entityStamp(id.KindUser, p.Erase.User)
	case record.KindRegion:
		return e.regionStamp(registerRegion, p.Region.Number)
	case record.KindEndpoints:
		return e.regionStamp(registerEndpoints, p.Endpoints.Number)
	case record.KindHome:
		return e.regionStamp(registerHome, p.Home.Number)
	}
	return 0
}

// regionStamp is the stamp of a register of the region table.
func (e *Engine) regionStamp(what byte, number id.Region) hlc.Timestamp {
	owner, ok := e.table.Find(state.KindGlobal, regionsOwner)
	if !ok {
		return 0
	}
	v, _ := e.table.Get(regionKey(owner, what, number))
	r, err := algebra.DecodeLWWRegister(v)
	if err != nil {
		return 0
	}
	return r.Stamp.HLC
}

// userOf returns the user whose registers a record writes, "" for none.
func userOf(p *record.Proposed) string {
	switch p.Kind {
	case record.KindSignal:
		return p.Signal.User
	case record.KindMark:
		return p.Mark.User
	case record.KindRelation:
		return p.Relation.User
	case record.KindPut, record.KindPatch, record.KindDelete:
		if p.Entity.Kind == id.KindUser {
			return p.Entity.ID
		}
	case record.KindErase:
		return p.Erase.User
	}
	return ""
}

func (e *Engine) marksStamp(user, item string) hlc.Timestamp {
	m, err := e.Marks(user, item)
	if err != nil {
		return 0
	}
	return max(m.Liked.Stamp.HLC, m.Saved.Stamp.HLC, m.InProgress.Stamp.HLC)
}

func (e *Engine) relationStamp(user string, which record.RelationKind, target string) hlc.Timestamp {
	p, err := e.Relation(user, byte(which), target)
	if err != nil {
		return 0
	}
	return max(p.On, p.Off)
}

// entityStamp looks at deleted entities as well: a put must lie above the delete.
func (e *Engine) entityStamp(kind id.Kind, name string) hlc.Timestamp {
	n, ok := e.find(kind, name)
	if !ok {
		return 0
	}
	v, ok := e.table.Get(entityKey(kind, n))
	if !ok {
		return e.table.Generation(kind, n)
	}
	x, err := algebra.DecodeEntity(v)
	if err != nil {
		return 0
	}
	highest := max(x.Touched.HLC, x.Reset.HLC, x.Deleted, e.table.Generation(kind, n))
	for _, f := range x.Fields {
		highest = max(highest, f.Stamp.HLC)
	}
	return highest
}
