package replica

import (
	"errors"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// Check refuses a request that can't be written under a schema, before anything of it reaches the log. The error is a
// [fault.Input] that names record and field.
func Check(r *Request, s *schema.Schema) error {
	if len(r.Records) == 0 {
		return fault.Refuse("records", "is empty; a request has 1 to %d records", record.MaxRecords)
	}
	if len(r.Records) > record.MaxRecords {
		return fault.Refuse("records", "has %d records; a request has at most %d", len(r.Records), record.MaxRecords)
	}
	if err := checkLane(r); err != nil {
		return err
	}
	for i := range r.Records {
		p := &r.Records[i]
		if p.Key != "" && len(r.Records) > 1 {
			return fault.At(i, fault.Refuse("key", "stands in a request of %d records; a key needs a request of its own",
				len(r.Records)))
		}
		if err := p.Check(); err != nil {
			return fault.At(i, err)
		}
		if err := checkMeaning(p, s); err != nil {
			return fault.At(i, err)
		}
	}
	if n := sizeLeast(r); n > record.MaxBatch {
		return tooLarge(n)
	}
	r.bound = sizeBound(r)
	return nil
}

// Measure takes note of what was added to a request since [Check]: the cohorts of its signals.
func Measure(r *Request) { r.bound = sizeBound(r) }

// tooLarge refuses a request that takes at least n bytes.
func tooLarge(n int) error {
	return fault.Refuse("records", "take %d bytes or more; a request has at most %d with all that is added to it",
		n, record.MaxBatch)
}

func checkLane(r *Request) error {
	switch {
	case len(r.Producer) > record.MaxProducer:
		return fault.Refuse("lane", "has %d bytes; lanes have at most %d", len(r.Producer), record.MaxProducer)
	case r.Producer == "" && r.Number != 0:
		return fault.Refuse("number", "is %d without a lane", r.Number)
	case r.Producer != "" && r.Number == 0:
		return fault.Refuse("number", "is 0; the requests of a lane are numbered from 1")
	case r.Producer != "" && len(r.Records) > 0 && r.Records[0].Key != "":
		return fault.Refuse("key", "stands in a lane; a request has a key or a lane, not both")
	}
	return nil
}

// checkMeaning holds a record against the schema: its signal type exists, its fields and vectors fit.
func checkMeaning(p *record.Proposed, s *schema.Schema) error {
	switch p.Kind {
	case record.KindSignal:
		if int(p.Signal.Type) >= len(s.Signals) {
			return fault.Refuse("type", "is number %d of %d signal types", p.Signal.Type, len(s.Signals))
		}
	case record.KindMark:
		if p.Mark.Which == record.MarkSeen && !p.Mark.On {
			return fault.Refuse("mark", "seen can't be cleared")
		}
	case record.KindSession:
		for _, c := range p.Session.Signals {
			if int(c.Type) >= len(s.Signals) {
				return fault.Refuse("signals", "has type number %d of %d signal types", c.Type, len(s.Signals))
			}
		}
	case record.KindPut, record.KindPatch:
		return checkFields(&p.Entity, s)
	case record.KindDuplicate:
		return fault.Refuse("", "is a duplicate; leaders alone take copies back")
	case record.KindUndo:
		if p.Undo.Void {
			return fault.Refuse("void", "is set; leaders alone say that there is nothing to undo")
		}
	}
	return nil
}

func checkFields(x *record.Entity, s *schema.Schema) error {
	e := s.Entity(x.Kind)
	for _, f := range x.Fields {
		path := "fields." + f.Name
		field, isField := e.Field(f.Name)
		slot, isSlot := e.Embedding(f.Name)
		if !isField && !isSlot {
			return fault.Refuse(path, "is no field of %s", kinds(x.Kind))
		}
		if f.Value == nil {
			continue
		}
		v, err := schema.DecodeValue(f.Value)
		if err != nil {
			return fault.Refuse(path, "can't be read: %v", err)
		}
		if isField {
			err = field.Check(v)
		} else {
			err = slot.Check(v)
		}
		var in *fault.Input
		if errors.As(err, &in) { // a slot's own path is that of the schema; here it stands among the fields
			return fault.Refuse(path, "%s", in.Reason)
		}
		if err != nil {
			return err
		}
		if isField && f.Name == schema.CreatorField && x.Kind == id.KindItem {
			if name, ok := v.Text(); ok {
				if err := id.Check(path, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func kinds(k id.Kind) string { return k.String() + "s" }
