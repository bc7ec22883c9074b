package query

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/schema"
)

const testNow = 1700000000005

// drawEntity draws the fields of an item, each of them set or not, from values that filters are likely to name.
func drawEntity(t *rapid.T) map[string]schema.Value {
	fields := map[string]schema.Value{}
	for _, f := range shop().Items.Fields {
		if rapid.IntRange(0, 3).Draw(t, f.Name+" set") == 0 {
			continue
		}
		var v schema.Value
		switch f.Type {
		case schema.TypeTags:
			v = schema.Tags(rapid.SliceOfN(rapid.SampledFrom([]string{"jazz", "soul", "é"}), 0, 3).Draw(t, "tags"))
		case schema.TypeGeo:
			v = schema.Geo(rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lon"))
		default:
			var why string
			if v, why = coerce(f, fitting(t, f.Type)); why != "" {
				t.Fatal(why)
			}
		}
		if err := f.Check(v); err != nil {
			t.Fatal(err)
		}
		fields[f.Name] = v
	}
	return fields
}

// twin answers a filter that wasn't compiled, by other means than Match: exact fractions for numbers, vectors for
// places. It reports false for ok where the answer hangs on the last digits of a distance.
func twin(x Expr, item map[string]schema.Value, now int64) (holds, ok bool) {
	switch x := x.(type) {
	case And, Or:
		var list []Expr
		all, isAnd := x.(And)
		if list = all; !isAnd {
			list = x.(Or)
		}
		met := 0
		for _, y := range list {
			h, ok := twin(y, item, now)
			if !ok {
				return false, false
			}
			if h {
				met++
			}
		}
		return isAnd && met == len(list) || !isAnd && met > 0, true
	case Not:
		h, ok := twin(x.X, item, now)
		return !h, ok
	case Has:
		return !item[x.Field].IsZero(), true
	case In:
		for _, v := range x.Values {
			if h, _ := twin(Compare{x.Field, Equal, v}, item, now); h {
				return true, true
			}
		}
		return false, true
	case Within:
		ms, set := item[x.Field].Time()
		age := new(big.Int).Sub(big.NewInt(now), big.NewInt(ms))
		return set && age.Sign() >= 0 && age.Cmp(big.NewInt(x.Span.Milliseconds())) <= 0, true
	case Near:
		lat, lon, set := item[x.Field].Geo()
		if !set {
			return false, true
		}
		d := chord(lat, lon, x.Lat, x.Lon)
		return d < x.Meters, math.Abs(d-x.Meters) > 1
	}
	c := x.(Compare)
	return twinCompare(c.Op, item[c.Field], c.Value), true
}

func twinCompare(op Op, field, with schema.Value) bool {
	if op == NotEqual {
		return !twinCompare(Equal, field, with)
	}
	if tags, ok := field.Tags(); ok {
		tag, _ := with.Text()
		return slices.Index(tags, tag) >= 0
	}
	a, b := twinNumber(field), twinNumber(with)
	if a == nil || b == nil {
		return op == Equal && !field.IsZero() && field.String() == with.String()
	}
	return slices.Contains(map[Op][]int{
		Equal: {0}, Less: {-1}, LessEqual: {-1, 0}, Greater: {1}, GreaterEqual: {0, 1},
	}[op], a.Cmp(b))
}

// twinNumber returns a number, or a time as one, exactly; nil for everything else.
func twinNumber(v schema.Value) *big.Rat {
	if n, ok := v.Int(); ok {
		return new(big.Rat).SetInt64(n)
	}
	if f, ok := v.Float(); ok {
		return new(big.Rat).SetFloat64(f)
	}
	if ms, ok := v.Time(); ok {
		return new(big.Rat).SetInt64(ms)
	}
	if s, ok := v.Text(); ok {
		if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return new(big.Rat).SetInt64(at.UnixMilli())
		}
	}
	return nil
}

// chord is the distance of two places by the straight line between them through the earth.
func chord(lat1, lon1, lat2, lon2 float64) float64 {
	point := func(lat, lon float64) [3]float64 {
		lat, lon = lat*math.Pi/180, lon*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	a, b := point(lat1, lon1), point(lat2, lon2)
	line := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
	return 2 * 6371008.7714 * math.Asin(math.Min(line/2, 1))
}

func TestMatchAnswersACompiledFilterAsTheTwinAnswersTheWrittenOne(t *testing.T) {
	s := shop()
	held, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		x := drawExpr(t, shape{fits: true, fields: true}, 4)
		compiled, err := CompileFilter(x, &s.Items, false)
		if err != nil {
			t.Fatalf("%s: %v", x, err)
		}
		for range 8 {
			item := drawEntity(t)
			want, ok := twin(x, item, testNow)
			if !ok {
				continue
			}
			got := Match(compiled, func(field string) (schema.Value, bool) {
				v, ok := item[field]
				return v, ok
			}, testNow)
			if got != want {
				t.Fatalf("%s (compiled: %s) of %v is %t, want %t", x, compiled, item, got, want)
			}
			asked++
			if got {
				held++
			}
		}
	})
	if share := float64(held) / float64(asked); share < 0.1 || share > 0.9 {
		t.Errorf("%d of %d filters hold; the test says little", held, asked)
	}
}

// Values that are compiled have their field's type exactly, whichever form they were written in.
func TestCompiledValuesHaveTheirFieldsType(t *testing.T) {
	s := shop()
	var check func(t *rapid.T, x Expr, top bool)
	check = func(t *rapid.T, x Expr, top bool) {
		value := func(field string, v schema.Value) {
			f, _ := s.Items.Field(field)
			if tag, ok := v.Text(); ok && f.Type == schema.TypeTags {
				v = schema.Tags([]string{tag})
			}
			if err := f.Check(v); err != nil {
				t.Fatal(err)
			}
		}
		list := func(list []Expr, like func(Expr) bool) {
			if len(list) < 2 && !(top && len(list) == 0) {
				t.Fatalf("a list of %d in %s", len(list), x)
			}
			for _, y := range list {
				if like(y) {
					t.Fatalf("%s stands directly in %s", y, x)
				}
				check(t, y, false)
			}
		}
		switch x := x.(type) {
		case And:
			list(x, func(y Expr) bool { _, same := y.(And); return same })
		case Or:
			list(x, func(y Expr) bool { _, same := y.(Or); return same })
		case Not:
			if _, twice := x.X.(Not); twice {
				t.Fatalf("NOT of NOT in %s", x)
			}
			check(t, x.X, false)
		case Compare:
			value(x.Field, x.Value)
		case In:
			if len(x.Values) < 2 || !slices.IsSortedFunc(x.Values, compareValues) {
				t.Fatalf("%s isn't in order", x)
			}
			for _, v := range x.Values {
				value(x.Field, v)
			}
		case Condition:
			t.Fatalf("a bare condition %s is left", x)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x, err := CompileFilter(drawExpr(t, shape{fits: true}, 4), &s.Items, false)
		if err != nil {
			t.Fatal(err)
		}
		check(t, x, true)
	})
}

// Distances between cities, as great circles on the sphere of the mean radius, to 0.5 %.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		name                   string
		lat1, lon1, lat2, lon2 float64
		km                     float64
	}{
		{"Paris to London", 48.8566, 2.3522, 51.5074, -0.1278, 343.6},
		{"Sydney to Tokyo", -33.8688, 151.2093, 35.6762, 139.6503, 7826},
		{"across the date line", 0, 179.5, 0, -179.5, 111.195},
		{"to the antipode", 10, 20, -10, -160, 20015.1},
		{"nowhere", 45, 90, 45, 90, 0},
		{"pole to pole", 90, 0, -90, 77, 20015.1},
	} {
		got := Distance(c.lat1, c.lon1, c.lat2, c.lon2) / 1000
		if math.Abs(got-c.km) > 0.005*c.km+1e-9 {
			t.Errorf("%s: %.1f km, want %.1f", c.name, got, c.km)
		}
		if back := Distance(c.lat2, c.lon2, c.lat1, c.lon1) / 1000; math.Abs(back-got) > 1e-9*got {
			t.Errorf("%s: %v there and %v back", c.name, got, back)
		}
	}
}

// The edges of WITHIN, where times are as far apart as they can be.
func TestWithinAtItsEdges(t *testing.T) {
	for _, c := range []struct {
		at, now int64
		want    bool
	}{
		{testNow, testNow, true},
		{testNow + 1, testNow, false},
		{testNow - 1000, testNow, true},
		{testNow - 1001, testNow, false},
		{math.MinInt64, math.MaxInt64, false},
		{math.MaxInt64, math.MinInt64, false},
		{math.MinInt64, math.MinInt64, true},
	} {
		got := Match(Within{"published", time.Second}, func(string) (schema.Value, bool) {
			return schema.Time(c.at), true
		}, c.now)
		if got != c.want {
			t.Errorf("%d at %d is %t", c.at, c.now, got)
		}
	}
}

func TestMatchPanicsOnWhatNoFieldTells(t *testing.T) {
	for _, x := range []Expr{Is{Unseen}, Unseen, InCohort{"us"}, InCollection{"later"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Match answered %s", x)
				}
			}()
			Match(x, func(string) (schema.Value, bool) { return schema.Value{}, false }, 0)
		}()
	}
}
