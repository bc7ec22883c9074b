package query

import (
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/schema"
)

// shop is the schema of the tests: a field of each type, and more of those that are compared most.
func shop() *schema.Schema {
	fields := []schema.Field{
		{Name: "title", Type: schema.TypeText},
		{Name: "creator", Type: schema.TypeKeyword},
		{Name: "category", Type: schema.TypeKeyword},
		{Name: "language", Type: schema.TypeKeyword},
		{Name: "url", Type: schema.TypeKeyword},
		{Name: "format", Type: schema.TypeKeyword},
		{Name: "tags", Type: schema.TypeTags},
		{Name: "views", Type: schema.TypeInt},
		{Name: "price", Type: schema.TypeFloat},
		{Name: "free", Type: schema.TypeBool},
		{Name: "published", Type: schema.TypeTime},
		{Name: "place", Type: schema.TypeGeo},
		{Name: "limit", Type: schema.TypeInt},
	}
	return &schema.Schema{
		Name: "shop",
		Signals: []schema.SignalType{
			{Name: "view", Windows: []schema.Window{schema.Window24h, schema.Window7d}},
			{Name: "hide", Meaning: schema.HardNegative},
		},
		Items: schema.EntityType{Fields: fields, Embeddings: []schema.Embedding{{Name: "content", Dimensions: 8}}},
		Users: schema.EntityType{Fields: []schema.Field{
			{Name: "region", Type: schema.TypeKeyword},
			{Name: "age", Type: schema.TypeInt},
		}},
		Cohorts: []schema.Cohort{{Name: "us", Where: `region = "US"`}, {Name: "young", Where: "age < 25"}},
	}
}

var words = []string{
	"jazz", "soul", "a b", `"`, `\`, "é", "\n", "日本", "\u202e", "\x00", "NOT", "7d", "x y\tz", "🎷", "\u2028", "\ufffd",
}

func drawString(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom(words), rapid.StringN(1, 12, 40)).
		Filter(func(s string) bool { return s != "" }).Draw(t, "string")
}

// drawID draws any bytes.
func drawID(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom(words),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 20), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\xff", "\xc3", "a\xed\xa0\x80b", "\x80\x80", strings.Repeat("z", 512)}),
	).Draw(t, "id")
}

func drawTime(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(0, 2e12), rapid.Int64Range(minTextTime-3, minTextTime+3),
		rapid.Int64Range(endTextTime-3, endTextTime+3), rapid.Int64(),
	).Draw(t, "time")
}

func drawSpan(t *rapid.T) time.Duration {
	return time.Duration(rapid.OneOf(rapid.Int64Range(1, 1e4), rapid.SampledFrom([]int64{
		3600e3, 86400e3, 604800e3, 90 * 60e3, 36500 * 86400e3,
	})).Draw(t, "span")) * time.Millisecond
}

// drawLiteral draws any value that has a form in a filter, fit for a field or not.
func drawLiteral(t *rapid.T) schema.Value {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return schema.String(drawString(t))
	case 1:
		return schema.Int(rapid.Int64().Draw(t, "int"))
	case 2:
		return schema.Float(rapid.Float64().Draw(t, "float"))
	case 3:
		return schema.Time(drawTime(t))
	}
	return schema.Bool(rapid.Bool().Draw(t, "bool"))
}

// fitting draws a value that a field takes, in one of the forms that are coerced.
func fitting(t *rapid.T, f schema.FieldType) schema.Value {
	switch f {
	case schema.TypeInt:
		n := rapid.Int64Range(-3, 3).Draw(t, "int")
		if rapid.Bool().Draw(t, "as a float") {
			return schema.Float(float64(n))
		}
		return schema.Int(n)
	case schema.TypeFloat:
		if rapid.Bool().Draw(t, "as an int") {
			return schema.Int(rapid.Int64Range(-3, 3).Draw(t, "int"))
		}
		return schema.Float(rapid.SampledFrom([]float64{-1.5, 0, 0.1, 2, 1e300}).Draw(t, "float"))
	case schema.TypeBool:
		return schema.Bool(rapid.Bool().Draw(t, "bool"))
	case schema.TypeTime:
		ms := rapid.Int64Range(1700000000000, 1700000000009).Draw(t, "time")
		if rapid.Bool().Draw(t, "as a string") {
			return schema.String(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
		}
		return schema.Time(ms)
	}
	return schema.String(rapid.SampledFrom([]string{"jazz", "soul", "é"}).Draw(t, "string"))
}

var operators = map[schema.FieldType][]Op{
	schema.TypeKeyword: {Equal, NotEqual},
	schema.TypeTags:    {Equal, NotEqual},
	schema.TypeBool:    {Equal, NotEqual},
	schema.TypeInt:     {Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual},
	schema.TypeFloat:   {Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual},
	schema.TypeTime:    {Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual},
}

// shape says what drawExpr draws.
type shape struct {
	fits   bool // it compiles against shop
	fields bool // it asks for fields only
}

func drawExpr(t *rapid.T, s shape, depth int) Expr {
	kind := rapid.IntRange(0, 13).Draw(t, "kind of expr")
	if depth == 0 {
		kind = 4 + kind%9
	}
	switch kind {
	case 0, 1, 13:
		return And(drawExprs(t, s, depth-1))
	case 2:
		return Or(drawExprs(t, s, depth-1))
	case 3:
		return Not{drawExpr(t, s, depth-1)}
	case 4, 5:
		if !s.fits {
			return Compare{drawField(t, nil).Name, Op(rapid.IntRange(1, 6).Draw(t, "op")), drawLiteral(t)}
		}
		f := drawField(t, func(f schema.Field) bool { return operators[f.Type] != nil })
		return Compare{f.Name, rapid.SampledFrom(operators[f.Type]).Draw(t, "op"), fitting(t, f.Type)}
	case 6:
		f := drawField(t, func(f schema.Field) bool {
			return !s.fits || operators[f.Type] != nil && f.Type != schema.TypeBool
		})
		in := In{f.Name, []schema.Value{}}
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			v := drawLiteral
			if s.fits {
				v = func(t *rapid.T) schema.Value { return fitting(t, f.Type) }
			}
			in.Values = append(in.Values, v(t))
		}
		return in
	case 7:
		return Within{"published", drawSpan(t)}
	case 8:
		return Near{
			"place", rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lon"),
			rapid.OneOf(rapid.Float64Range(0, 1e7), rapid.SampledFrom([]float64{0, 1, 999, 1000, 1500, 5000, 300.1})).Draw(t, "m"),
		}
	case 9:
		return Has{drawField(t, nil).Name}
	}
	switch {
	case s.fields:
		return Has{"url"}
	case kind == 10:
		return Is{Condition(rapid.IntRange(1, 7).Draw(t, "condition"))}
	case kind == 11 && s.fits:
		return InCohort{"us"}
	case kind == 11:
		return InCohort{drawID(t)}
	}
	return InCollection{drawID(t)}
}

func drawExprs(t *rapid.T, s shape, depth int) []Expr {
	list := []Expr{}
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		list = append(list, drawExpr(t, s, depth))
	}
	return list
}

func drawField(t *rapid.T, ok func(schema.Field) bool) schema.Field {
	g := rapid.SampledFrom(shop().Items.Fields)
	if ok != nil {
		g = g.Filter(ok)
	}
	return g.Draw(t, "field")
}

// drawQuery draws a query that compiles against shop.
func drawQuery(t *rapid.T) *Query {
	maybe := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	q := &Query{User: drawID(t)}
	if maybe("profile") {
		q.Profile = rapid.SampledFrom([]string{"for_you", "top", "limit", "filter"}).Draw(t, "profile name")
	}
	if maybe("version") {
		q.Version = rapid.Uint32().Draw(t, "version number")
	}
	if maybe("similar") {
		q.Similar = drawID(t)
	}
	if maybe("cohort") {
		q.Cohort = rapid.SampledFrom([]string{"us", "young"}).Draw(t, "cohort name")
	}
	if maybe("window") {
		q.Window = rapid.SampledFrom([]schema.Window{schema.Window24h, schema.Window7d, schema.WindowAll}).Draw(t, "w")
		q.Signal = rapid.SampledFrom([]string{"", "view"}).Draw(t, "signal")
	}
	if maybe("no filter") {
		q.Filter = drawExpr(t, shape{fits: true}, 3)
	}
	if maybe("explore") {
		f := rapid.Float64Range(0, 0.5).Draw(t, "explore part")
		q.Explore = &f
	}
	if maybe("at") {
		q.At = time.UnixMilli(rapid.Int64Range(minTextTime, endTextTime-1).Draw(t, "at time")).UTC()
	}
	if maybe("seed") {
		n := rapid.Uint64().Draw(t, "seed number")
		q.Seed = &n
	}
	q.Limit = rapid.IntRange(0, MaxLimit).Draw(t, "limit")
	if maybe("cursor") {
		q.Cursor = drawID(t)
	} else if maybe("as of") {
		q.AsOf = drawID(t)
	}
	q.Explain = rapid.Bool().Draw(t, "explain")
	drawArranged(t, q)
	if maybe("diversity") {
		q.Diversity = drawDiversity(t)
	}
	return q
}

func drawArranged(t *rapid.T, q *Query) {
	ids := rapid.SliceOfNDistinct(rapid.Custom(drawID), 0, 7, rapid.ID[string]).Draw(t, "ids")
	for i, id := range ids {
		switch i % 3 {
		case 0:
			q.Exclude = append(q.Exclude, id)
		case 1:
			if q.Limit > len(q.Pins) {
				q.Pins = append(q.Pins, Pin{id, q.Limit - len(q.Pins)})
			}
		case 2:
			q.Buries = append(q.Buries, id)
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "boosts") {
		factor := rapid.Float64Range(0.001, 1000).Draw(t, "factor")
		q.Boosts = append(q.Boosts, Boost{drawExpr(t, shape{fits: true}, 1), factor})
	}
}

func drawDiversity(t *rapid.T) *schema.Diversity {
	d := &schema.Diversity{}
	for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"creator", "tags", "views", "free"}), 0, 3,
		rapid.ID[string]).Draw(t, "fields") {
		switch rapid.IntRange(0, 2).Draw(t, "rule") {
		case 0:
			d.MaxPer = append(d.MaxPer, schema.MaxPer{Field: f, N: rapid.IntRange(1, 500).Draw(t, "n")})
		case 1:
			d.Shares = append(d.Shares, schema.Share{Field: f, Max: rapid.Float64Range(0.01, 1).Draw(t, "max")})
		case 2:
			value := map[string]string{"creator": drawString(t), "tags": "jazz", "views": "-7", "free": "true"}[f]
			d.AtLeast = append(d.AtLeast, schema.AtLeast{Field: f, Value: value, N: 2})
		}
	}
	if rapid.Bool().Draw(t, "relevance") {
		d.Relevance = rapid.Float64Range(0.01, 1).Draw(t, "lambda")
		d.Embedding = rapid.SampledFrom([]string{"", "content"}).Draw(t, "embedding")
	}
	return d
}
