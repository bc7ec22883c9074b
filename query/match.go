package query

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Match reports whether a compiled filter holds for one entity. lookup returns the value of a field, false where it
// isn't set; now is the query's time in Unix milliseconds.
//
// It's exact and slow: how cohorts are resolved, and what faster ways to filter are held against. What no field tells
// (conditions, cohorts, collections) can't stand in a filter for Match, which panics: it's for the caller to see to.
func Match(x Expr, lookup func(field string) (schema.Value, bool), now int64) bool {
	switch x := x.(type) {
	case And:
		for _, y := range x {
			if !Match(y, lookup, now) {
				return false
			}
		}
		return true
	case Or:
		for _, y := range x {
			if Match(y, lookup, now) {
				return true
			}
		}
		return false
	case Not:
		return !Match(x.X, lookup, now)
	case Has:
		_, ok := lookup(x.Field)
		return ok
	case Compare:
		v, ok := lookup(x.Field)
		if x.Op == NotEqual {
			return !ok || !equals(v, x.Value)
		}
		return ok && holds(x.Op, v, x.Value)
	case In:
		v, ok := lookup(x.Field)
		return ok && slices.ContainsFunc(x.Values, func(want schema.Value) bool { return equals(v, want) })
	case Within:
		v, _ := lookup(x.Field)
		t, ok := v.Time()
		return ok && t <= now && uint64(now)-uint64(t) <= uint64(x.Span/time.Millisecond)
	case Near:
		v, _ := lookup(x.Field)
		lat, lon, ok := v.Geo()
		return ok && Distance(lat, lon, x.Lat, x.Lon) <= x.Meters
	}
	panic(fmt.Sprintf("query: Match was given a filter with %v, which no field tells", x))
}

// holds reports whether a field's value compares so with another one.
func holds(op Op, v, with schema.Value) bool {
	if op == Equal {
		return equals(v, with)
	}
	switch c := compareValues(v, with); op {
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	case Greater:
		return c > 0
	default:
		return c >= 0
	}
}

// equals reports whether a field's value is another one or, if it's of tags, contains it.
func equals(v, with schema.Value) bool {
	if tags, ok := v.Tags(); ok {
		tag, _ := with.Text()
		return slices.Contains(tags, tag)
	}
	return v == with
}

// earthRadius is the mean radius of the earth in metres: (2a + b) / 3 of the ellipsoid GRS 80, as in H. Moritz,
// Geodetic Reference System 1980, Journal of Geodesy 74 (2000).
const earthRadius = 6371008.7714

// Distance returns how many metres two places are apart along the surface of the earth, taken as a sphere: degrees
// north and east in, exact within 0.6 % of the ellipsoid. It is the haversine formula of R. W. Sinnott, Virtues of the
// Haversine, Sky and Telescope 68 (1984): 2R·asin √(sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2)).
func Distance(lat1, lon1, lat2, lon2 float64) float64 {
	const radian = math.Pi / 180
	a := math.Sin((lat2 - lat1) * radian / 2)
	b := math.Sin((lon2 - lon1) * radian / 2)
	cosines := math.Cos(lat1*radian) * math.Cos(lat2*radian)
	// Conversions keep a compiler from fusing steps, so that the figure is the same on every processor.
	h := float64(a*a) + float64(float64(cosines*b)*b)
	return 2 * earthRadius * math.Asin(math.Sqrt(min(h, 1)))
}
