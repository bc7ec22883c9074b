package tidal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// Signal writes one signal and returns when it is durable and visible. Without a key a client that retries may count
// it twice; see [Signal].
//
// Errors: [InputError] when it is refused, [ErrKeyReused], [ErrOverloaded] and [ErrClock] when nothing was written,
// [ErrUnknown] when ctx ended, or the disk failed, before the outcome was known.
func (db *DB) Signal(ctx context.Context, s Signal) (Receipt, error) {
	return db.Write(ctx, Request{Records: []Record{s}})
}

// Signals writes signals as one request without a lane: all of them or none.
func (db *DB) Signals(ctx context.Context, signals ...Signal) (Receipt, error) {
	records := make([]Record, len(signals))
	for i := range signals {
		records[i] = signals[i]
	}
	return db.Write(ctx, Request{Records: records})
}

// Write writes a request, whole or not at all, and returns when it is durable and visible. Errors are those of
// [DB.Signal], [ErrReadOnly] in a region that takes no writes, and [ErrRetryTooOld], [ErrNotFound] or [ErrUndone] for what the request refers to.
func (db *DB) Write(ctx context.Context, r Request) (Receipt, error) {
	if strings.HasPrefix(r.Lane, record.SessionLane) {
		return Receipt{}, fault.Refuse("lane", "begins with %q, as those of sessions do; write through a Session",
			record.SessionLane)
	}
	if err := db.mayAck(r.Ack); err != nil {
		return Receipt{}, err
	}
	for {
		receipt, err := db.writeOnce(ctx, &r)
		// The schema may have grown between the check and the stamping; what was fine before still is.
		var in *fault.Input
		if errors.As(err, &in) && in.Field == "schema" && in.Record < 0 {
			continue
		}
		if err == nil && r.Ack == AckGeo {
			err = db.awaitGeo(ctx, &receipt)
		}
		return receipt, err
	}
}

func (db *DB) writeOnce(ctx context.Context, r *Request) (Receipt, error) {
	req := &replica.Request{Producer: r.Lane, Number: r.Number}
	var current *schema.Schema
	err := db.read(ctx, func(e *engine.Engine) error {
		current, req.Schema = e.Schema()
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	req.Records = make([]record.Proposed, len(r.Records))
	var gone error // the log doesn't have the original of an undo any more
	for i, rec := range r.Records {
		p := &req.Records[i]
		err := db.propose(ctx, p, rec, current)
		if errors.Is(err, fault.ErrNotFound) && !p.Compensation.Original.IsZero() {
			gone = cmp.Or(gone, fault.At(i, err))
		} else if err != nil {
			return Receipt{}, fault.At(i, err)
		}
		if err := db.here(p); err != nil {
			return Receipt{}, fault.At(i, err)
		}
		p.Trace = r.Trace
	}
	if err := replica.Check(req, current); err != nil {
		return Receipt{}, err
	}
	req.Content = record.ContentHash(req.Records)
	if gone != nil {
		return db.acceptedBefore(ctx, req, gone)
	}
	joined, err := db.joinCohorts(ctx, req.Records, current)
	if err != nil {
		return Receipt{}, err
	}
	if joined {
		replica.Measure(req)
	}
	got, err := db.host.Write(ctx, req)
	if err != nil {
		return Receipt{}, err
	}
	out := Receipt{
		Position: got.First, Count: got.Count, Duplicate: got.Duplicate, Clamped: got.Clamped,
		Durable: got.Durable, Visible: got.Visible, db: db,
	}
	if slices.ContainsFunc(r.Records, isErase) {
		out.Forgotten = db.host.Forgotten(db.now())
	}
	return out, nil
}

// propose turns a record into what the leader stamps.
func (db *DB) propose(ctx context.Context, p *record.Proposed, rec Record, s *schema.Schema) error {
	switch x := rec.(type) {
	case Signal:
		return proposeSignal(p, &x, s)
	case Put:
		p.Kind = record.KindPut
		return proposeEntity(p, x.Kind, x.ID, x.Fields)
	case Patch:
		p.Kind = record.KindPatch
		return proposeEntity(p, x.Kind, x.ID, x.Fields)
	case Delete:
		p.Kind = record.KindDelete
		return proposeEntity(p, x.Kind, x.ID, nil)
	case Erase:
		p.Kind, p.Erase = record.KindErase, record.Erase{User: x.User}
		return nil
	case Relate:
		if x.What < Hides || x.What > Follows {
			return fault.Refuse("relation", "%d is none of hides, mutes, blocks, follows", x.What)
		}
		p.Kind = record.KindRelation
		p.Relation = record.Relation{
			Which: record.RelationKind(x.What), On: !x.Off, User: x.User, Target: x.Target,
		}
		return nil
	case Collect:
		p.Kind = record.KindRelation
		p.Relation = record.Relation{
			Which: record.CollectItem, On: !x.Off, User: x.User, Target: record.CollectionTarget(x.Collection, x.Item),
		}
		return nil
	case SetMark:
		return proposeMark(p, &x)
	case Undo:
		return db.proposeUndo(ctx, p, &x)
	case Note, Search:
		return fault.Refuse("", "is a %T, which stands in a session alone", rec)
	case nil:
		return fault.Refuse("", "is nil")
	}
	return fault.Refuse("", "is a %T, which is no kind of record", rec)
}

// proposeUndo looks up what is to be undone. What this member misses another one may have written: it may lead by now, and this one
// may not have heard of it.
func (db *DB) proposeUndo(ctx context.Context, p *record.Proposed, x *Undo) error {
	err := db.proposeUndoOnce(ctx, p, x)
	if !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	if err := db.host.Latest(ctx); err != nil {
		return err
	}
	*p = record.Proposed{}
	return db.proposeUndoOnce(ctx, p, x)
}

func (db *DB) proposeUndoOnce(ctx context.Context, p *record.Proposed, x *Undo) error {
	at, err := db.undoPosition(ctx, x)
	if err != nil {
		return err
	}
	if db.host.StampedElsewhere(at) {
		p.Kind, p.Undo.Original = record.KindUndo, at
		return nil
	}
	p.Kind = record.KindCompensate
	p.Compensation, err = db.host.Original(at)
	p.Compensation.Original = at // which is all that tells one undo from another
	return err
}

// undoPosition resolves the way in which an undo names its event. A key or request keeps its position for as long as it
// is known, so it can be looked up before the leader stamps; whether the event was undone is the leader's to say.
func (db *DB) undoPosition(ctx context.Context, x *Undo) (Position, error) {
	switch {
	case x.Key != "" && (x.Lane != "" || !x.Position.IsZero()):
		return Position{}, fault.Refuse("key", "stands beside another name of the event; give one")
	case x.Lane != "" && !x.Position.IsZero():
		return Position{}, fault.Refuse("lane", "stands beside a position; give one")
	case x.Lane == "" && (x.Number != 0 || x.Index != 0):
		return Position{}, fault.Refuse("number", "stands without a lane")
	case x.Lane != "" && x.Number == 0:
		return Position{}, fault.Refuse("number", "is 0; the requests of a lane are numbered from 1")
	case x.Index < 0:
		return Position{}, fault.Refuse("index", "is %d; records are counted from 0", x.Index)
	}
	at := x.Position
	err := db.read(ctx, func(e *engine.Engine) error {
		switch {
		case x.Key != "":
			var ok bool
			if at, ok = e.Lanes().FindKey(x.Key); !ok {
				return fmt.Errorf("event of key %q: %w", x.Key, fault.ErrNotFound)
			}
		case x.Lane != "":
			first, count, ok := e.Lanes().FindRequest(x.Lane, x.Number)
			if !ok || uint64(x.Index) >= uint64(count) {
				return fmt.Errorf("record %d of request %d of lane %q: %w", x.Index, x.Number, x.Lane, fault.ErrNotFound)
			}
			at = first
			at.Seq += id.Seq(x.Index)
		}
		return nil
	})
	return at, err
}

func proposeSignal(p *record.Proposed, x *Signal, s *schema.Schema) error {
	index, _, ok := s.Signal(x.Type)
	if !ok {
		return fault.Refuse("type", "%q is no signal type of schema %s", x.Type, s.Name)
	}
	weight := fixed.One
	if x.Weight != 0 {
		w, err := fixed.ParseWeight(x.Weight)
		if err != nil {
			return err
		}
		weight = w
	}
	p.Kind, p.Key = record.KindSignal, x.Key
	if !x.Time.IsZero() {
		p.Time, p.HasTime = x.Time.UnixMilli(), true
	}
	cohorts := slices.Clone(x.Cohorts)
	slices.Sort(cohorts)
	p.Signal = record.Signal{
		Type: uint16(index), Weight: weight, Item: x.Item, User: x.User, Creator: x.Creator,
		Cohorts: slices.Compact(cohorts), Ref: string(x.Ref),
	}
	return nil
}

func proposeEntity(p *record.Proposed, kind EntityKind, name string, fields Fields) error {
	p.Entity = record.Entity{Kind: kind, ID: name}
	if !kind.Valid() {
		return fault.Refuse("kind", "%d is none of item, user, creator", kind)
	}
	for field, v := range fields {
		f := record.Field{Name: field}
		if v.IsZero() && p.Kind == record.KindPut {
			continue
		}
		if !v.IsZero() {
			if err := v.Err(); err != nil {
				return fault.Refuse("fields."+field, "%v", err)
			}
			f.Value = v.Encode()
		}
		p.Entity.Fields = append(p.Entity.Fields, f)
	}
	slices.SortFunc(p.Entity.Fields, func(a, b record.Field) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return nil
}

func proposeMark(p *record.Proposed, x *SetMark) error {
	kind, ok := map[schema.Mark]record.MarkKind{
		schema.Liked: record.MarkLiked, schema.Saved: record.MarkSaved, schema.InProgress: record.MarkInProgress,
	}[x.Mark]
	if !ok {
		return fault.Refuse("mark", "%d is none of liked, saved, in_progress", x.Mark)
	}
	p.Kind, p.Mark = record.KindMark, record.Mark{Which: kind, On: !x.Off, User: x.User, Item: x.Item}
	return nil
}

// acceptedBefore answers a request that can't be made any more, which may be the retry of one that was accepted.
func (db *DB) acceptedBefore(ctx context.Context, r *replica.Request, gone error) (out Receipt, err error) {
	err = db.read(ctx, func(e *engine.Engine) error {
		v, err := e.Lanes().Check(r.Producer, r.Number, r.Content)
		switch {
		case r.Producer == "" || err == nil && !v.Duplicate:
			return gone
		case err != nil:
			return err
		}
		out = Receipt{Position: v.Position, Count: int(v.Count), Duplicate: true, db: db}
		return nil
	})
	return out, err
}

func isErase(r Record) bool {
	_, erases := r.(Erase)
	return erases
}
