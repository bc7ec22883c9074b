package record

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
)

// Describe prints a record in one line: its number, its kind, what the kind says, and then its meta. Ids are quoted,
// with "@" and the generation behind them if they have one. A body that is damaged prints as its error.
func Describe(rec Record) string {
	line, _ := describe(&rec) // the line says what is wrong
	return line
}

func describe(rec *Record) (string, error) {
	line := fmt.Appendf(nil, "%d %v", rec.Seq, rec.Kind)
	var p Proposed
	err := p.DecodeBody(rec.Kind, rec.Body)
	switch {
	case err != nil:
		err = shift(err, rec.at)
		line = fmt.Appendf(line, " bytes=%d error=%q", len(rec.Body), err)
	case !rec.Kind.Known():
		line = fmt.Appendf(line, " bytes=%d", len(rec.Body))
	default:
		line = appendBodyText(line, &p)
	}
	return string(appendMetaText(line, &rec.Meta)), err
}

func appendBodyText(line []byte, p *Proposed) []byte {
	switch p.Kind {
	case KindSignal:
		return appendSignalText(line, &p.Signal)
	case KindMark:
		line = fmt.Appendf(line, " %v=%s", p.Mark.Which, onOff(p.Mark.On))
		line = appendRefText(line, "user", p.Mark.User, p.Mark.UserGen)
		return appendRefText(line, "item", p.Mark.Item, p.Mark.ItemGen)
	case KindRelation:
		line = fmt.Appendf(line, " %v=%s", p.Relation.Which, onOff(p.Relation.On))
		line = appendRefText(line, "user", p.Relation.User, p.Relation.UserGen)
		if name, item, ok := SplitCollection(p.Relation.Target); ok && p.Relation.Which == CollectItem {
			line = fmt.Appendf(line, " collection=%q", name)
			return appendRefText(line, "item", item, 0)
		}
		return appendRefText(line, p.Relation.Which.Target().String(), p.Relation.Target, 0)
	case KindPut, KindPatch, KindDelete:
		return appendEntityText(line, &p.Entity)
	case KindErase:
		return appendRefText(line, "user", p.Erase.User, 0)
	case KindCompensate, KindDuplicate:
		x := &p.Compensation
		line = fmt.Appendf(line, " original=%v original_time=", x.Original)
		line = appendTime(line, x.Time)
		line = fmt.Appendf(line, " original_schema=%v", x.Schema)
		return appendSignalText(line, &x.Signal)
	case KindSchemaVersion:
		return fmt.Appendf(line, " parent=%v bytes=%d", p.Schema.Parent, len(p.Schema.Encoded))
	case KindFormatLevel:
		return fmt.Appendf(line, " level=%d", p.Level.Level)
	case KindSession:
		return appendSessionText(line, p.Session)
	case KindSealingKey:
		line = fmt.Appendf(line, " id=%08x created=", p.SealingKey.ID)
		line = appendTime(line, p.SealingKey.Created)
		if len(p.SealingKey.Secret) == 0 {
			return append(line, " (dropped)"...)
		}
		return line
	case KindUndo:
		line = fmt.Appendf(line, " original=%v", p.Undo.Original)
		if p.Undo.Void {
			return append(line, " (void)"...)
		}
		return line
	case KindRegion, KindEndpoints, KindHome:
		return appendRegionText(line, p)
	case KindAnnotation:
		return fmt.Appendf(line, " name=%q note=%q", p.Annotation.Name, p.Annotation.Note)
	}
	panic("record: text of kind " + p.Kind.String())
}

func appendSignalText(line []byte, s *Signal) []byte {
	line = fmt.Appendf(line, " type=%d weight=", s.Type)
	line = appendWeight(line, s.Weight)
	line = appendRefText(line, "item", s.Item, s.ItemGen)
	if s.User != "" {
		line = appendRefText(line, "user", s.User, s.UserGen)
	}
	if s.Creator != "" {
		line = appendRefText(line, "creator", s.Creator, 0)
	}
	if len(s.Cohorts) > 0 {
		line = fmt.Appendf(line, " cohorts=%q", s.Cohorts)
	}
	if s.Ref != "" {
		line = fmt.Appendf(line, " ref=%q", s.Ref)
	}
	return line
}

func appendRegionText(line []byte, p *Proposed) []byte {
	switch p.Kind {
	case KindRegion:
		r := &p.Region
		line = fmt.Appendf(line, " number=%d name=%q", r.Number, r.Name)
		if r.Follower {
			line = append(line, " (follower)"...)
		}
		if r.Removed {
			line = fmt.Appendf(line, " (removed) successor=%d", r.Successor)
		}
	case KindEndpoints:
		line = fmt.Appendf(line, " number=%d", p.Endpoints.Number)
		for _, m := range p.Endpoints.Members {
			line = fmt.Appendf(line, " replica=%d address=%q url=%q", m.Replica, m.Address, m.URL)
		}
	default:
		line = fmt.Appendf(line, " number=%d", p.Home.Number)
	}
	return line
}

func appendSessionText(line []byte, s *Session) []byte {
	line = fmt.Appendf(line, " %v", s.What)
	line = appendRefText(line, "user", s.User, s.UserGen)
	line = fmt.Appendf(line, " id=%q place=%d opened=", s.ID, s.Place)
	line = appendTime(line, s.Opened)
	switch s.What {
	case SessionOpens:
		line = fmt.Appendf(line, " agent=%q policy=%q", s.Agent, s.Policy)
		if s.Until != 0 {
			line = appendTime(append(line, " until="...), s.Until)
		}
		line = fmt.Appendf(line, " idle=%dms", s.Idle)
	case SessionWrites:
		for _, c := range s.Signals {
			line = fmt.Appendf(line, " type_%d=%d", c.Type, c.N)
		}
		return fmt.Appendf(line, " others=%d refused=%d", s.Others, s.Refused)
	case SessionNotes:
		return fmt.Appendf(line, " name=%q text=%q", s.Name, s.Text)
	case SessionSearches:
		return fmt.Appendf(line, " query=%q results=%q", s.Text, s.Results)
	case SessionCloses:
		line = appendTime(append(line, " at="...), s.At)
		line = fmt.Appendf(line, " auto=%t refused=%d", s.Auto, s.Refused)
	}
	return fmt.Appendf(line, " taste=%d", len(s.Taste))
}

func appendEntityText(line []byte, e *Entity) []byte {
	line = appendRefText(line, e.Kind.String(), e.ID, 0)
	for i := range e.Fields {
		f := &e.Fields[i]
		line = fmt.Appendf(line, " field %q=", f.Name)
		switch {
		case f.Value == nil:
			line = append(line, "cleared"...)
		case len(f.Value) > 32:
			line = fmt.Appendf(line, "%x… (%d bytes)", f.Value[:32], len(f.Value))
		default:
			line = hex.AppendEncode(line, f.Value)
		}
	}
	return line
}

func appendMetaText(line []byte, m *Meta) []byte {
	line = append(line, " time="...)
	line = appendTime(line, m.Time)
	if m.TimeAssigned {
		line = append(line, " (assigned)"...)
	}
	if m.TimeClamped {
		line = append(line, " (clamped)"...)
	}
	line = fmt.Appendf(line, " hlc=%v", m.HLC)
	if m.Stamp != 0 {
		line = fmt.Appendf(line, " stamp=%v", m.Stamp)
	}
	if m.Lane.Producer != "" {
		line = fmt.Appendf(line, " lane=%q request=%d index=%d", m.Lane.Producer, m.Lane.Request, m.Lane.Index)
	}
	if m.Key != "" {
		line = fmt.Appendf(line, " key=%q", m.Key)
	}
	if m.Begins() {
		line = fmt.Appendf(line, " content=%016x count=%d", m.Content, m.Count)
	}
	if m.Trace != [16]byte{} {
		line = fmt.Appendf(line, " trace=%x", m.Trace)
	}
	return line
}

func appendRefText(line []byte, name, s string, gen hlc.Timestamp) []byte {
	line = fmt.Appendf(line, " %s=%q", name, s)
	if gen != 0 {
		line = fmt.Appendf(line, "@%v", gen)
	}
	return line
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// appendWeight prints a weight exactly: a fraction of 24 bits has at most 24 decimal digits.
func appendWeight(line []byte, w fixed.Weight) []byte {
	line = strconv.AppendInt(line, int64(w/fixed.One), 10)
	frac := w % fixed.One
	if frac == 0 {
		return line
	}
	line = append(line, '.')
	for ; frac != 0; frac %= fixed.One {
		frac *= 10
		line = append(line, '0'+byte(frac/fixed.One))
	}
	return line
}

const millisPerDay = 24 * 60 * 60 * 1000

// appendTime prints Unix milliseconds as RFC 3339 in UTC, and times beyond the years 0 to 9999 as the bare number.
func appendTime(line []byte, millis int64) []byte {
	day, rest := millis/millisPerDay, millis%millisPerDay
	if rest < 0 {
		day, rest = day-1, rest+millisPerDay
	}
	year, month, dom := civil(day)
	if year < 0 || year > 9999 {
		return fmt.Appendf(line, "%dms", millis)
	}
	return fmt.Appendf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		year, month, dom, rest/3_600_000, rest/60_000%60, rest/1000%60, rest%1000)
}

// civil turns days since 1970 into a date of the Gregorian calendar, in integers as all of this package computes.
// It is the algorithm of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that
// the leap day is the last of its year, and come in eras of 400 that all have the same length.
func civil(day int64) (year, month, dom int64) {
	const daysPerEra = 146_097
	day += 719_468 // days from 0000-03-01 to 1970-01-01
	era := day / daysPerEra
	if day < 0 {
		era = (day - daysPerEra + 1) / daysPerEra
	}
	doe := day - era*daysPerEra
	yoe := (doe - doe/1460 + doe/36_524 - doe/(daysPerEra-1)) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dom = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, dom
}
