package engine

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// The region table is made of registers, each with the body of the record that wrote it last. A register's sub-key says
// what it is about: one of these, and the region's number, big endian, where there is one for each.
const (
	registerRegion    = 'r'
	registerEndpoints = 'e'
	registerHome      = 'h'
)

func regionKey(owner state.Ord, what byte, number id.Region) state.Key {
	sub := []byte{what}
	if what != registerHome {
		sub = binary.BigEndian.AppendUint16(sub, uint16(number))
	}
	return state.Key{Kind: algebra.KindRegister, Owner: state.KindGlobal, Ord: owner, Sub: string(sub)}
}

// applyRegister writes one register of the region table.
func (e *Engine) applyRegister(ev *event, what byte, number id.Region, body []byte) error {
	key := regionKey(e.table.Owner(state.KindGlobal, regionsOwner), what, number)
	at := e.table.Lookup(key)
	old, err := algebra.DecodeLWWRegister(e.table.Value(at))
	if err != nil {
		return err
	}
	written := algebra.LWWRegister{Stamp: ev.stamp, Set: true, Value: body}
	e.table.Set(key, at, old.Merge(written).AppendBinary(nil))
	return e.surveyRegions()
}

// applyRegionRecord applies a record that writes the region table.
func (e *Engine) applyRegionRecord(ev *event, rec *record.Record) error {
	switch rec.Kind {
	case record.KindRegion:
		var r record.RegionInfo
		if err := record.DecodeRegion(rec.Body, &r); err != nil {
			return err
		}
		return e.applyRegister(ev, registerRegion, r.Number, rec.Body)
	case record.KindEndpoints:
		var x record.Endpoints
		if err := record.DecodeEndpoints(rec.Body, &x); err != nil {
			return err
		}
		return e.applyRegister(ev, registerEndpoints, x.Number, rec.Body)
	}
	var h record.Home
	if err := record.DecodeHome(rec.Body, &h); err != nil {
		return err
	}
	return e.applyRegister(ev, registerHome, h.Number, rec.Body)
}
