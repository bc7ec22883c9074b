package schema

import (
	"encoding/binary"
	"math"
	"time"
)

// append writes the bytes that encode.go lays out.
func (p *Profile) append(b []byte) []byte {
	b = binary.AppendUvarint(appendString(b, p.Name), uint64(p.Version))
	b = binary.AppendUvarint(b, uint64(len(p.Candidates)))
	for _, s := range p.Candidates {
		b = appendString(append(b, byte(s.Kind)), s.Signal)
		b = binary.AppendUvarint(b, uint64(s.HalfLife))
		b = binary.AppendUvarint(b, uint64(s.Limit))
	}
	b = appendString(b, p.First)
	b = binary.AppendUvarint(b, uint64(len(p.Score)))
	for _, s := range p.Score {
		b = append(appendString(b, s.Name), byte(s.Op))
		b = appendString(b, s.Expr)
	}
	b = binary.AppendUvarint(b, uint64(len(p.Gates)))
	for _, g := range p.Gates {
		b = appendString(b, g)
	}
	b = p.Diversity.append(b)
	b = binary.AppendUvarint(b, uint64(len(p.Explore)))
	for _, s := range p.Explore {
		b = appendFloat(appendString(b, s.Name), s.Share)
		b = binary.AppendUvarint(append(b, byte(s.Pool)), uint64(s.Within))
	}
	return b
}

func (d *Diversity) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(d.MaxPer)))
	for _, m := range d.MaxPer {
		b = binary.AppendUvarint(appendString(b, m.Field), uint64(m.N))
	}
	b = binary.AppendUvarint(b, uint64(len(d.Shares)))
	for _, s := range d.Shares {
		b = appendFloat(appendString(b, s.Field), s.Max)
	}
	b = binary.AppendUvarint(b, uint64(len(d.AtLeast)))
	for _, a := range d.AtLeast {
		b = appendString(appendString(b, a.Field), a.Value)
		b = binary.AppendUvarint(b, uint64(a.N))
	}
	return appendString(appendFloat(b, d.Relevance), d.Embedding)
}

func (c Cohort) append(b []byte) []byte { return appendString(appendString(b, c.Name), c.Where) }

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(positiveZero(f)))
}

func (d *decoder) profile() Profile {
	p := Profile{Name: d.name("profile name"), Version: uint32(d.number("profile version", math.MaxUint32))}
	for range d.count("sources", maxSources) {
		p.Candidates = append(p.Candidates, Source{
			Kind: SourceKind(d.byte("source")), Signal: d.name("signal"),
			HalfLife: time.Duration(d.number("half-life", uint64(maxHalfLife))),
			Limit:    int(d.number("limit", maxTaken)),
		})
	}
	p.First = d.text("expression", MaxExpression)
	for range d.count("steps", maxSteps) {
		p.Score = append(p.Score, Step{
			Name: d.name("step name"), Op: StepOp(d.byte("operation")), Expr: d.text("expression", MaxExpression),
		})
	}
	for range d.count("gates", maxGates) {
		p.Gates = append(p.Gates, d.text("expression", MaxExpression))
	}
	p.Diversity = d.diversity()
	for range d.count("exploration slots", maxSlots) {
		p.Explore = append(p.Explore, Slot{
			Name: d.name("slot name"), Share: d.float("share"), Pool: Pool(d.byte("pool")),
			Within: time.Duration(d.number("within", uint64(maxSlotWithin))),
		})
	}
	return p
}

func (d *decoder) diversity() Diversity {
	var v Diversity
	for range d.count("rules", maxRules) {
		v.MaxPer = append(v.MaxPer, MaxPer{d.name("field"), int(d.number("number per value", maxTaken))})
	}
	for range d.count("rules", maxRules) {
		v.Shares = append(v.Shares, Share{d.name("field"), d.float("share")})
	}
	for range d.count("rules", maxRules) {
		v.AtLeast = append(v.AtLeast, AtLeast{
			d.name("field"), d.text("value", maxKeyword), int(d.number("least number", maxTaken)),
		})
	}
	v.Relevance, v.Embedding = d.float("relevance"), d.name("embedding")
	return v
}

func (d *decoder) float(what string) float64 {
	if b := d.take(8, what); len(b) == 8 {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}
