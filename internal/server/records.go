package server

import (
	"math"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/schema"
)

// recordsOf turns messages into records. The error says which record is meant.
func recordsOf(messages []*tidalpb.Record, s *schema.Schema) ([]tidal.Record, error) {
	out := make([]tidal.Record, len(messages))
	for i, m := range messages {
		r, err := recordOf(m, s)
		if err != nil {
			return nil, fault.At(i, err)
		}
		out[i] = r
	}
	return out, nil
}

func recordOf(m *tidalpb.Record, s *schema.Schema) (tidal.Record, error) {
	switch x := m.GetRecord().(type) {
	case *tidalpb.Record_Signal:
		return signalOf(x.Signal)
	case *tidalpb.Record_Put:
		kind, id, fields, err := entityOf(x.Put.GetKind(), x.Put.GetId(), x.Put.GetFields(), x.Put.GetFieldsJson(), s)
		return tidal.Put{Kind: kind, ID: id, Fields: fields}, err
	case *tidalpb.Record_Patch:
		kind, id, fields, err := entityOf(x.Patch.GetKind(), x.Patch.GetId(), x.Patch.GetFields(), x.Patch.GetFieldsJson(), s)
		return tidal.Patch{Kind: kind, ID: id, Fields: fields}, err
	case *tidalpb.Record_Delete:
		kind, id, _, err := entityOf(x.Delete.GetKind(), x.Delete.GetId(), nil, "", s)
		return tidal.Delete{Kind: kind, ID: id}, err
	case *tidalpb.Record_Erase:
		user, err := idOf("user", x.Erase.GetUser())
		return tidal.Erase{User: user}, err
	case *tidalpb.Record_Relate:
		var r idReader
		out := tidal.Relate{User: r.id("user", x.Relate.GetUser()), Target: r.id("target", x.Relate.GetTarget()), Off: x.Relate.GetOff()}
		if n := x.Relate.GetRelation(); n > 0 && n <= math.MaxUint8 {
			out.What = tidal.Relation(n)
		}
		return out, r.err
	case *tidalpb.Record_SetMark:
		var r idReader
		out := tidal.SetMark{User: r.id("user", x.SetMark.GetUser()), Item: r.id("item", x.SetMark.GetItem()), Off: x.SetMark.GetOff()}
		if n := x.SetMark.GetMark(); n > 0 && n <= math.MaxUint8 {
			out.Mark = schema.Mark(n)
		}
		return out, r.err
	case *tidalpb.Record_Collect:
		var r idReader
		return tidal.Collect{
			User: r.id("user", x.Collect.GetUser()), Collection: x.Collect.GetCollection(),
			Item: r.id("item", x.Collect.GetItem()), Off: x.Collect.GetOff(),
		}, r.err
	case *tidalpb.Record_Undo:
		return undoOf(x.Undo)
	}
	return nil, fault.Refuse("", "is empty; a record is a signal, put, patch, delete, erase, relate, set_mark, collect or undo")
}

func signalOf(m *tidalpb.Signal) (tidal.Signal, error) {
	var r idReader
	out := tidal.Signal{
		Type: m.GetType(), Item: r.id("item", m.GetItem()), User: r.id("user", m.GetUser()),
		Creator: r.id("creator", m.GetCreator()), Weight: m.GetWeight(), Key: m.GetKey(), Ref: m.GetRef(),
	}
	for _, c := range m.GetCohorts() {
		out.Cohorts = append(out.Cohorts, r.id("cohorts", c))
	}
	if r.err != nil {
		return out, r.err
	}
	var err error
	if out.Time, err = timeOf("time", m.GetTime()); err != nil {
		return out, err
	}
	if m != nil && m.TimeMs != nil {
		if m.GetTime() != nil {
			return out, fault.Refuse("time_ms", "stands beside time; give one of them")
		}
		if out.Time, err = millisTime("time_ms", *m.TimeMs); err != nil {
			return out, err
		}
	}
	return out, nil
}

// maxMillis bounds times in milliseconds to what time.UnixMilli and its inverse carry both ways.
const maxMillis = 1 << 52

func millisTime(field string, ms int64) (time.Time, error) {
	if ms < -maxMillis || ms > maxMillis {
		return time.Time{}, fault.Refuse(field, "is %d, which is too far from 1970", ms)
	}
	return time.UnixMilli(ms).UTC(), nil
}

func entityOf(
	k tidalpb.Kind, text string, typed map[string]*tidalpb.Value, plain string, s *schema.Schema,
) (tidal.EntityKind, string, tidal.Fields, error) {
	kind, err := entityKind(k)
	if err != nil {
		return 0, "", nil, err
	}
	id, err := idOf("id", text)
	if err != nil {
		return 0, "", nil, err
	}
	fields, err := fieldsOf(kind, typed, plain, s)
	return kind, id, fields, err
}

func undoOf(m *tidalpb.Undo) (tidal.Undo, error) {
	out := tidal.Undo{Key: m.GetKey(), Lane: m.GetLane(), Index: int(m.GetIndex())}
	var err error
	if out.Number, err = numberOf(m.GetNumber()); err != nil {
		return out, err
	}
	if m.GetPosition() != "" {
		if out.Position, err = id.ParsePosition(m.GetPosition()); err != nil {
			return out, fault.Refuse("position", "is none: %q", m.GetPosition())
		}
	} else if out.Key == "" && out.Lane == "" {
		return out, fault.Refuse("", "names no event: give its position, its key, or the lane and number of its request")
	}
	return out, nil
}

func numberOf(n int64) (uint64, error) {
	if n < 0 {
		return 0, fault.Refuse("number", "is %d; the requests of a lane are numbered from 1", n)
	}
	return uint64(n), nil
}
