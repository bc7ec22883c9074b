package tidal

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// ReadOnlyError says that the region takes no writes, and which region does. Reach it with errors.As. Nothing was written, so
// the same request may be sent there.
type ReadOnlyError = fault.ReadOnly

// GeoPendingError says that a write is durable in its region, and that no other region was heard to have it in time: which it
// will. Reach it with errors.As. The receipt beside it is whole.
type GeoPendingError = fault.GeoPending

// Errors of regions; ask with errors.Is.
var (
	ErrReadOnly   = fault.ErrReadOnly   // see ReadOnlyError
	ErrGeoPending = fault.ErrGeoPending // see GeoPendingError
	ErrForked     = fault.ErrForked     // other regions have events of this one's that this one doesn't, or other ones
)

// RegionRole is what a region is: RegionHome, RegionActive, RegionFollower or RegionRemoved.
type RegionRole = host.RegionRole

// The roles of regions.
const (
	RegionHome     = host.RegionHome     // takes writes, gives numbers to new regions, changes the schema in any way
	RegionActive   = host.RegionActive   // takes writes
	RegionFollower = host.RegionFollower // refuses writes, with ReadOnlyError
	RegionRemoved  = host.RegionRemoved  // is gone for good
)

// Lag is how much of what was written in one region another one lacks: batches, events, and how old the oldest of it is,
// about, as far as it's known here.
type Lag = host.Lag

// RegionStatus is how a region looks from here.
type RegionStatus struct {
	// Number and Name name the region for ever, and for people.
	Number uint16
	Name   string
	Role   RegionRole
	// Own says that it is the region of this database's own member.
	Own bool
	// Successor names who takes back what a removed region stamped, "" for others.
	Successor string
	// Addresses are those of its members, for members of other regions; URLs are for applications.
	Addresses, URLs []string
	// Unreachable says that it wasn't heard of for five seconds, or that something that was written there longer ago than
	// that isn't here yet.
	Unreachable bool
	// Heard is how long ago it was last heard of, if Known.
	Heard time.Duration
	Known bool
	// TheyLack is what it lacks of what was written here, and WeLack the other way round.
	TheyLack, WeLack Lag
	// Vector is what it last said it holds.
	Vector VersionVector
	// Source names the region from which what was written there comes: itself, or another one that passes it on.
	Source string
	// Done and Total are events of a gap that is being closed; Total is 0 if none is.
	Done, Total int64
	// Refused counts what came from it and was refused, by cause.
	Refused map[string]uint64
	// Sent is what this member has given it, and Taken what this member's group took from it while this member led: both since
	// this member was opened.
	Sent, Taken Flow
	// Held is how many bytes of the log, and of what is kept beside it, stay here at least because it lacks them: as of the last
	// time that the log was looked at, which is up to an hour ago.
	Held int64
	// TooFarBehind says that something it has written is missing here, and that nobody who is reached can give it any more. This
	// region's members are to begin anew, each with an empty directory.
	TooFarBehind bool
	// Forked are positions at which it holds other events than this region does, one for each origin of which the two have different
	// histories. Neither takes that origin from the other any more, and their states differ. A region was started on an old copy of its disk.
	Forked []Position
}

// Flow is what went from one region to another: batches, compacted ranges that stand for many, the bytes of both, and those
// of ranges among them.
type Flow = host.Flow

// GroupStats are what a member has seen and done of its group and of other regions.
type GroupStats = host.GroupStats

// Regions says how the regions of the database are, by number, as seen from here; the own one is among them. It is empty for
// a database that never had a second one.
func (db *DB) Regions() []RegionStatus {
	if db.closed.Load() {
		return nil
	}
	all := db.host.Regions()
	names := map[uint16]string{}
	for i := range all {
		names[uint16(all[i].Number)] = all[i].Name
	}
	out := make([]RegionStatus, len(all))
	for i := range all {
		x := &all[i]
		out[i] = RegionStatus{
			Number: uint16(x.Number), Name: x.Name, Role: x.Role, Own: x.Own, Unreachable: x.Unreachable, Heard: x.Heard,
			Known: x.Known, TheyLack: x.TheyLack, WeLack: x.WeLack, Vector: x.Vector, Source: names[uint16(x.Source)], Done: x.Done,
			Total: x.Total, Refused: x.Refused, Sent: x.Sent, Taken: x.Taken, Held: x.Held, TooFarBehind: x.TooFarBehind,
			Forked: x.Forked,
		}
		if x.Role == RegionRemoved {
			out[i].Successor = names[uint16(x.Successor)]
		}
		for _, m := range x.Members {
			out[i].Addresses = append(out[i].Addresses, m.Address)
			if m.URL != "" {
				out[i].URLs = append(out[i].URLs, m.URL)
			}
		}
	}
	return out
}

// mayAck refuses an acknowledgement that can't be given, before anything is written.
func (db *DB) mayAck(ack Ack) error {
	switch {
	case ack > AckGeo:
		return fault.Refuse("ack", "%d is none of quorum, geo", ack)
	case ack == AckGeo && !db.host.Elsewhere():
		return fault.Refuse("ack", "is geo, and the database has no other region that could confirm it")
	}
	return nil
}

// awaitGeo waits until one more region holds what was written.
func (db *DB) awaitGeo(ctx context.Context, r *Receipt) error {
	last := r.Position
	last.Seq += id.Seq(max(1, r.Count)) - 1
	if err := db.host.WaitGeo(ctx, last); err != nil {
		return fmt.Errorf("wait for another region: %w", err)
	}
	return nil
}

// unite enters the schema that has what regions have added at the same time, each to what it knew. Home does it for all.
func (db *DB) unite(ctx context.Context) error {
	if !db.host.Elsewhere() || !db.host.Home() {
		return nil
	}
	db.growing.Lock()
	defer db.growing.Unlock()
	var next *schema.Schema
	var hash schema.Hash
	err := db.read(ctx, func(e *engine.Engine) error {
		var err error
		_, hash = e.Schema()
		next, err = united(e.Schemas(), hash)
		return err
	})
	if err != nil || next == nil {
		return err
	}
	records := []record.Proposed{{
		Kind:   record.KindSchemaVersion,
		Schema: record.SchemaVersion{Parent: next.Parent, Encoded: next.Encode()},
	}}
	_, err = db.host.Write(context.WithoutCancel(ctx), &replica.Request{
		Records: records, Content: record.ContentHash(records),
	})
	if err != nil {
		return fmt.Errorf("unite what regions have added to schema %s, as version %d: %w", next.Name, next.Version, err)
	}
	return nil
}

// united returns the version that has what the current one lacks of another that is known, nil if it lacks nothing.
func united(all []*schema.Schema, current schema.Hash) (*schema.Schema, error) {
	known := make(map[schema.Hash]*schema.Schema, len(all))
	for _, s := range all {
		known[s.Hash()] = s
	}
	now := known[current]
	if now == nil {
		return nil, nil
	}
	for _, other := range all {
		if schema.Extends(other, now) == nil {
			continue
		}
		base := other
		for base != nil && schema.Extends(base, now) != nil {
			base = known[base.Parent]
		}
		if base == nil {
			continue // no common ancestor is known
		}
		next, err := schema.Union(base, now, other)
		if err != nil {
			return nil, err
		}
		if known[next.Hash()] == nil {
			return next, nil
		}
	}
	return nil, nil
}
