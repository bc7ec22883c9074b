package record

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/fault"
)

// Proposed is one record as a client asked for it, before a leader stamped it. Kind says which of the bodies counts.
//
// The leader fills in facts before it stamps: generations, the creator and the cohorts of a signal, and of a
// compensation all but the position. Duplicates are proposed by leaders alone.
type Proposed struct {
	Kind Kind
	// Time is the event time in Unix milliseconds, if HasTime; without it the leader assigns one.
	Time    int64
	HasTime bool
	// Key is an idempotency key; empty for none.
	Key string
	// Trace is the trace id; zero for none.
	Trace [16]byte

	Signal       Signal
	Mark         Mark
	Relation     Relation
	Entity       Entity // of put, patch and delete
	Erase        Erase
	Compensation Compensation
	Schema       SchemaVersion
	Level        FormatLevel
	Session      *Session // nil for other kinds: it is large, and rare
	SealingKey   SealingKey
	Undo         Undo
	Region       RegionInfo
	Endpoints    Endpoints
	Home         Home
	Annotation   Annotation
}

// Check refuses what no schema would allow: an unknown kind, ids and texts beyond their limits, a weight or a time out
// of range. The error is a [fault.Input] that names the field.
func (p *Proposed) Check() error {
	switch {
	case p.HasTime:
		if err := checkTime(p.Time); err != nil {
			return err
		}
	case p.Time != 0:
		return fault.Refuse("time", "is %d ms, but said to be missing", p.Time)
	}
	if len(p.Key) > MaxKey {
		return checkText("key", p.Key, MaxKey)
	}
	if p.Kind == KindCompensate || p.Kind == KindDuplicate { // the leader looks up the rest
		if p.Compensation.Original.Seq == 0 {
			return fault.Refuse("original", "names no event")
		}
		return nil
	}
	return p.checkBody()
}

func (p *Proposed) checkBody() error {
	switch p.Kind {
	case KindSignal:
		return p.Signal.Check()
	case KindMark:
		return p.Mark.Check()
	case KindRelation:
		return p.Relation.Check()
	case KindPut, KindPatch, KindDelete:
		return p.Entity.Check(p.Kind)
	case KindErase:
		return p.Erase.Check()
	case KindCompensate, KindDuplicate:
		return p.Compensation.Check()
	case KindSchemaVersion:
		return p.Schema.Check()
	case KindFormatLevel:
		return p.Level.Check()
	case KindSession:
		if p.Session == nil {
			return fault.Refuse("session", "is missing")
		}
		return p.Session.Check()
	case KindSealingKey:
		return p.SealingKey.Check()
	case KindUndo:
		return p.Undo.Check()
	case KindRegion:
		return p.Region.Check()
	case KindEndpoints:
		return p.Endpoints.Check()
	case KindHome:
		return p.Home.Check()
	case KindAnnotation:
		return p.Annotation.Check()
	}
	return fault.Refuse("kind", "%d is unknown", uint8(p.Kind))
}

// appendBody writes the body of a checked proposal.
func (p *Proposed) appendBody(dst []byte) []byte {
	switch p.Kind {
	case KindSignal:
		return p.Signal.append(dst)
	case KindMark:
		return p.Mark.append(dst)
	case KindRelation:
		return p.Relation.append(dst)
	case KindPut, KindPatch, KindDelete:
		return p.Entity.append(dst, p.Kind)
	case KindErase:
		return p.Erase.append(dst)
	case KindCompensate, KindDuplicate:
		return p.Compensation.append(dst)
	case KindSchemaVersion:
		return p.Schema.append(dst)
	case KindFormatLevel:
		return p.Level.append(dst)
	case KindSession:
		return p.Session.append(dst)
	case KindSealingKey:
		return p.SealingKey.append(dst)
	case KindUndo:
		return p.Undo.append(dst)
	case KindRegion:
		return p.Region.append(dst)
	case KindEndpoints:
		return p.Endpoints.append(dst)
	case KindHome:
		return p.Home.append(dst)
	case KindAnnotation:
		return p.Annotation.append(dst)
	}
	panic("record: body of kind " + p.Kind.String())
}

// DecodeBody reads a body of any known kind into p, and sets p's kind; it takes unknown ones as they are.
func (p *Proposed) DecodeBody(kind Kind, body []byte) error {
	p.Kind = kind
	switch kind {
	case KindSignal:
		return DecodeSignal(body, &p.Signal)
	case KindMark:
		return DecodeMark(body, &p.Mark)
	case KindRelation:
		return DecodeRelation(body, &p.Relation)
	case KindPut, KindPatch, KindDelete:
		return DecodeEntity(kind, body, &p.Entity)
	case KindErase:
		return DecodeErase(body, &p.Erase)
	case KindCompensate, KindDuplicate:
		return DecodeCompensation(body, &p.Compensation)
	case KindSchemaVersion:
		return DecodeSchemaVersion(body, &p.Schema)
	case KindFormatLevel:
		return DecodeFormatLevel(body, &p.Level)
	case KindSession:
		p.Session = &Session{}
		return DecodeSession(body, p.Session)
	case KindSealingKey:
		return DecodeSealingKey(body, &p.SealingKey)
	case KindUndo:
		return DecodeUndo(body, &p.Undo)
	case KindRegion:
		return DecodeRegion(body, &p.Region)
	case KindEndpoints:
		return DecodeEndpoints(body, &p.Endpoints)
	case KindHome:
		return DecodeHome(body, &p.Home)
	case KindAnnotation:
		return DecodeAnnotation(body, &p.Annotation)
	}
	return nil
}

// ContentHash is xxh3 over what a client asked for in one request. A retry of the request has the same hash on every
// node, whatever was learned meanwhile: generations, creators, cohorts, trace ids and an assigned time don't count, nor do
// a session's place, times and counts.
//
// Hashes are kept and shipped for the length of the retry horizon, so what is hashed is part of the format.
func ContentHash(request []Proposed) uint64 {
	var scratch [4096]byte
	buf := scratch[:0]
	for i := range request {
		buf = request[i].appendContent(buf)
	}
	return xxh3.Hash(buf)
}

// appendContent writes what the client asserts, so that no two requests write the same bytes.
func (p *Proposed) appendContent(dst []byte) []byte {
	kind, original := p.Kind, p.Compensation.Original
	if kind == KindUndo && !p.Undo.Void { // whether it's written like this or compensated at once depends on where it is asked for
		kind, original = KindCompensate, p.Undo.Original
	}
	dst = append(dst, byte(kind))
	dst = appendFlag(dst, p.HasTime)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Time))
	dst = appendText(dst, p.Key)
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0) // the length of the body
	switch kind {
	case KindSignal:
		s := Signal{Type: p.Signal.Type, Weight: p.Signal.Weight, Item: p.Signal.Item, User: p.Signal.User, Ref: p.Signal.Ref}
		dst = s.append(dst)
	case KindMark:
		m := Mark{Which: p.Mark.Which, On: p.Mark.On, User: p.Mark.User, Item: p.Mark.Item}
		dst = m.append(dst)
	case KindRelation:
		r := Relation{Which: p.Relation.Which, On: p.Relation.On, User: p.Relation.User, Target: p.Relation.Target}
		dst = r.append(dst)
	case KindCompensate, KindDuplicate:
		x := Compensation{Original: original}
		dst = x.append(dst)
	case KindSession:
		if p.Session != nil {
			s := p.Session.content()
			dst = s.append(dst)
		}
	default:
		if kind.Known() {
			dst = p.appendBody(dst)
		}
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
