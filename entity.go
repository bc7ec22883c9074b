package tidal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// Entity is what was put and patched of an item, user or creator.
type Entity struct {
	Kind EntityKind
	ID   string
	// Fields are the fields and embeddings that are set; nil if none is.
	Fields Fields
	// Touched is when the latest put or patch was stamped.
	Touched time.Time
}

// ListQuery asks for existing entities of one kind, in ascending order of the bytes of their ids.
type ListQuery struct {
	Kind EntityKind
	// After is the id behind which the list begins: the last one of the page before. Empty begins at the first.
	After string
	// Limit is 1–10,000; 0 is 100.
	Limit int
}

const (
	// maxPage is the longest page of a list, defaultPage the one that is given when none was asked for.
	maxPage     = 10000
	defaultPage = 100

	// Reads of many entities hold writes up for this many ids, or entities, at a time.
	idsAtOnce      = 4096
	entitiesAtOnce = 64
)

// pageLimit is the length of page that a query asks for.
func pageLimit(limit int) (int, error) {
	switch {
	case limit == 0:
		return defaultPage, nil
	case limit < 0 || limit > maxPage:
		return 0, fault.Refuse("limit", "is %d; it must be from 1 to %d", limit, maxPage)
	}
	return limit, nil
}

// Entity returns an entity. [ErrNotFound] means that it was never put or patched, or was deleted or erased since; that
// an item has signals doesn't make it exist.
func (db *DB) Entity(ctx context.Context, kind EntityKind, id string) (Entity, error) {
	if err := checkKind(kind); err != nil {
		return Entity{}, err
	}
	var out Entity
	err := db.readEntity(ctx, kind, id, func(e *engine.Engine) error {
		var err error
		out, err = entityOf(e, kind, id)
		return err
	})
	return out, err
}

// List returns a page of existing entities. A page that is shorter than the limit is the last one.
//
// Pages aren't a snapshot: an entity that is made or deleted while they are read may be missing or present. Every page
// looks at all ids of the kind, and at the records on disk of users who aren't in memory up to the page's end; writes go
// on meanwhile.
func (db *DB) List(ctx context.Context, q ListQuery) ([]Entity, error) {
	if err := checkKind(q.Kind); err != nil {
		return nil, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return nil, err
	}
	var out []Entity
	for len(out) < limit {
		wanted := limit - len(out)
		ids, err := db.idsBehind(ctx, q.Kind, q.After, wanted)
		if err != nil {
			return nil, err
		}
		if out, err = db.appendEntities(ctx, out, q.Kind, ids); err != nil {
			return nil, err
		}
		if len(ids) < wanted {
			break
		}
		q.After = ids[len(ids)-1] // some may have been deleted before they were read: go on until the page is full
	}
	return out, nil
}

// idsBehind returns the ids of the first entities behind a given id.
func (db *DB) idsBehind(ctx context.Context, kind EntityKind, after string, limit int) ([]string, error) {
	l := engine.NewListing(kind, after, limit)
	for done := false; !done; {
		err := db.read(ctx, func(e *engine.Engine) error {
			done = e.Advance(l, idsAtOnce)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if kind != User {
		return l.IDs(), nil
	}
	cold, err := db.host.ColdEntities(after, limit)
	if err != nil {
		return nil, err
	}
	ids := append(l.IDs(), cold...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(limit, len(ids))], nil
}

// appendEntities reads entities by id. Those that don't exist any more are left out.
func (db *DB) appendEntities(ctx context.Context, out []Entity, kind EntityKind, ids []string) ([]Entity, error) {
	if kind == User {
		return db.appendUsers(ctx, out, ids)
	}
	for len(ids) > 0 {
		some := ids[:min(entitiesAtOnce, len(ids))]
		ids = ids[len(some):]
		err := db.read(ctx, func(e *engine.Engine) error {
			for _, id := range some {
				x, ok, err := e.Entity(kind, id)
				if err != nil {
					return fmt.Errorf("%v %q: %w", kind, id, err)
				}
				if !ok {
					continue
				}
				one, err := newEntity(kind, id, &x)
				if err != nil {
					return err
				}
				out = append(out, one)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendUsers is appendEntities for users, who may have to be fetched one by one.
func (db *DB) appendUsers(ctx context.Context, out []Entity, ids []string) ([]Entity, error) {
	for _, id := range ids {
		x, err := db.Entity(ctx, User, id)
		switch {
		case errors.Is(err, fault.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, x)
		}
	}
	return out, nil
}

func entityOf(e *engine.Engine, kind EntityKind, id string) (Entity, error) {
	x, ok, err := e.Entity(kind, id)
	switch {
	case err != nil:
		return Entity{}, fmt.Errorf("%v %q: %w", kind, id, err)
	case !ok:
		return Entity{}, fmt.Errorf("%v %q: %w", kind, id, fault.ErrNotFound)
	}
	return newEntity(kind, id, &x)
}

// newEntity copies what the engine lends.
func newEntity(kind EntityKind, id string, x *algebra.Entity) (Entity, error) {
	out := Entity{Kind: kind, ID: id, Touched: time.UnixMilli(x.Touched.HLC.Millis()).UTC()}
	for _, f := range x.Fields {
		if !f.Set {
			continue
		}
		v, err := schema.DecodeValue(f.Value)
		if err != nil {
			return Entity{}, fmt.Errorf("field %q of %v %q: %w", f.Name, kind, id, err)
		}
		if out.Fields == nil {
			out.Fields = Fields{}
		}
		out.Fields[f.Name] = v
	}
	return out, nil
}

func checkKind(kind EntityKind) error {
	if !kind.Valid() {
		return fault.Refuse("kind", "%d is none of item, user, creator", kind)
	}
	return nil
}
