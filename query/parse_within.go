package query

import (
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// Units of distances, in metres. A mile is the international one.
var distanceUnits = [...]struct {
	word   string
	meters float64
}{
	{"m", 1},
	{"km", 1000},
	{"mi", 1609.344},
}

// within reads what follows WITHIN: a span of time, or a distance and OF and a place. 500m is either, by what follows.
func (p *parser) within(field string) (Expr, error) {
	first := p.tok
	switch first.kind {
	case tokQuantity:
		p.next()
		if p.tok.is("OF") {
			size, unit := splitUnit(first.text)
			meters, err := p.meters(first, size, unit)
			if err != nil {
				return nil, err
			}
			return p.of(field, meters)
		}
		span, err := schema.ParseDuration(strings.ToLower(first.text))
		if err == nil {
			return Within{field, span}, nil
		}
		if _, unit := splitUnit(first.text); unitMeters(unit) > 0 {
			return nil, p.fail("OF and a place")
		}
		return nil, p.failAt(first.at, "%s is no duration; write whole numbers with a unit (w, d, h, m, s, ms), "+
			"such as 7d, 36h or 30m", quoted(clip(first.text)))
	case tokInt, tokFloat:
		p.next()
		if p.tok.kind != tokWord || unitMeters(p.tok.text) == 0 {
			return nil, p.failAt(first.at, "the number %s has no unit; write a duration such as 7d, or a distance "+
				"such as 5 km and OF and a place", clip(first.text))
		}
		meters, err := p.meters(first, first.text, p.next().text)
		if err != nil {
			return nil, err
		}
		return p.of(field, meters)
	}
	return nil, p.fail("a duration such as 7d", "a distance such as 5 km OF 48.85, 2.35")
}

// of reads OF and a place.
func (p *parser) of(field string, meters float64) (Expr, error) {
	if err := p.word("OF"); err != nil {
		return nil, err
	}
	lat, err := p.number("", "a latitude from -90 to 90")
	if err != nil {
		return nil, err
	}
	if err := p.sign(","); err != nil {
		return nil, err
	}
	lon, err := p.number("", "a longitude from -180 to 180")
	return Near{Field: field, Lat: lat, Lon: lon, Meters: meters}, err
}

// meters reads a distance whose number and unit were told apart.
func (p *parser) meters(t token, size, unit string) (float64, error) {
	f, err := strconv.ParseFloat(size, 64)
	per := unitMeters(unit)
	if err != nil || per == 0 {
		return 0, p.failAt(t.at, "%s is no distance; write a number and m, km or mi", quoted(clip(t.text)))
	}
	return positiveZero(f * per), nil
}

// splitUnit splits a number from the letters behind it.
func splitUnit(s string) (size, unit string) {
	size = strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
	return size, s[len(size):]
}

// unitMeters returns what a unit has in metres, 0 for what is none.
func unitMeters(unit string) float64 {
	for _, u := range distanceUnits {
		if strings.EqualFold(u.word, unit) {
			return u.meters
		}
	}
	return 0
}
