package query

import (
	"strconv"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// String is the query in the text form, on one line, which [Parse] reads as the same query again, if it has no more
// bytes than are read. Its clauses stand in a fixed order, so equal queries have equal texts.
func (q *Query) String() string { return string(q.appendText(nil, true)) }

// appendText appends the text form; without the page, what makes two pages of one list differ is left out.
func (q *Query) appendText(dst []byte, page bool) []byte {
	dst = append(dst, "RANK items"...)
	dst = appendClause(dst, " FOR USER ", q.User)
	if q.Profile != "" {
		dst = appendName(append(dst, " USING "...), q.Profile)
	}
	if q.Version != 0 {
		dst = strconv.AppendUint(append(dst, " VERSION "...), uint64(q.Version), 10)
	}
	dst = appendClause(dst, " SIMILAR TO ", q.Similar)
	dst = appendClause(dst, " COHORT ", q.Cohort)
	if q.Window != 0 {
		dst = append(append(dst, " WINDOW "...), q.Window.String()...)
	}
	if q.Signal != "" {
		dst = appendName(append(dst, " SIGNAL "...), q.Signal)
	}
	if q.Filter != nil {
		dst = appendExpr(append(dst, " FILTER "...), q.Filter, bindOr)
	}
	dst = appendIDs(dst, " EXCLUDE (", q.Exclude)
	if q.Diversity != nil {
		dst = appendDiversity(append(dst, " DIVERSIFY "...), q.Diversity)
	}
	if q.Explore != nil {
		dst = appendNumber(append(dst, " EXPLORE "...), *q.Explore)
	}
	dst = q.appendArranged(dst)
	if !q.At.IsZero() {
		dst = append(q.At.UTC().AppendFormat(append(dst, ` AT "`...), time.RFC3339Nano), '"')
	}
	if q.Seed != nil {
		dst = strconv.AppendUint(append(dst, " SEED "...), *q.Seed, 10)
	}
	if page && q.Limit != 0 {
		dst = strconv.AppendInt(append(dst, " LIMIT "...), int64(q.Limit), 10)
	}
	if page {
		dst = appendClause(dst, " CURSOR ", q.Cursor)
	}
	if page {
		dst = appendClause(dst, " ASOF ", q.AsOf)
	}
	if page && q.Explain {
		dst = append(dst, " EXPLAIN"...)
	}
	return dst
}

func appendClause(dst []byte, words, id string) []byte {
	if id == "" {
		return dst
	}
	return appendQuoted(append(dst, words...), id)
}

func appendIDs(dst []byte, words string, ids []string) []byte {
	if len(ids) == 0 {
		return dst
	}
	dst = append(dst, words...)
	for i, id := range ids {
		dst = appendQuoted(appendComma(dst, i), id)
	}
	return append(dst, ')')
}

// appendArranged appends what is done to a list by hand: pins, buries, boosts.
func (q *Query) appendArranged(dst []byte) []byte {
	for _, p := range q.Pins {
		dst = appendQuoted(append(dst, " PIN "...), p.Item)
		dst = strconv.AppendInt(append(dst, " AT "...), int64(p.Rank), 10)
	}
	dst = appendIDs(dst, " BURY (", q.Buries)
	for _, b := range q.Boosts {
		dst = appendExpr(append(dst, " BOOST "...), b.Where, bindOr)
		dst = appendNumber(append(dst, " BY "...), b.Factor)
	}
	return dst
}

func appendDiversity(dst []byte, d *schema.Diversity) []byte {
	n := 0
	next := func() { dst, n = appendComma(dst, n), n+1 }
	for _, m := range d.MaxPer {
		next()
		dst = append(append(append(dst, "max_per_"...), m.Field...), ' ')
		dst = strconv.AppendInt(dst, int64(m.N), 10)
	}
	for _, s := range d.Shares {
		next()
		dst = append(append(append(dst, "max_share "...), s.Field...), ' ')
		dst = appendNumber(dst, s.Max)
	}
	for _, a := range d.AtLeast {
		next()
		dst = append(append(append(dst, "at_least "...), a.Field...), ' ')
		dst = append(appendQuoted(dst, a.Value), ' ')
		dst = strconv.AppendInt(dst, int64(a.N), 10)
	}
	if d.Relevance != 0 {
		next()
		dst = appendNumber(append(dst, "relevance "...), d.Relevance)
	}
	if d.Embedding != "" {
		next()
		dst = appendName(append(dst, "embedding "...), d.Embedding)
	}
	if n == 0 {
		dst = append(dst, "none"...)
	}
	return dst
}

// appendName appends a name bare where it can stand so.
func appendName(dst []byte, s string) []byte {
	if isName(s) {
		return append(dst, s...)
	}
	return appendQuoted(dst, s)
}

// isName reports whether s is a lower-case letter, then letters, digits and underscores.
func isName(s string) bool {
	for i := range len(s) {
		letter := s[i] >= 'a' && s[i] <= 'z'
		if !letter && (i == 0 || s[i] != '_' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}
