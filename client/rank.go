package client

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Query asks what should be shown, to whom, in which order. docs/query.md describes the language. The zero value of each
// field leaves the question to the profile.
type Query struct {
	// Text is the whole query in the text form, `RANK items FOR USER "ada" USING for_you LIMIT 25`, or JSON in the JSON form;
	// then all the fields below stay zero, but WithCursor and WithAsOf.
	Text, JSON string

	// User is for whom it is; Profile how to rank, empty is for_you; Version the profile's, 0 is the newest.
	User    string
	Profile string
	Version uint32
	// Limit is how many items, 1–500; 0 is 25.
	Limit int
	// Filter is in the text form, such as: category = "jazz" AND unseen.
	Filter string
	// Similar is the item that lists such as related are about; Cohort, Window ("24h") and Signal are what others count.
	Similar, Cohort, Window, Signal string
	// Exclude are items that shall not be there, Bury those that shall come last; Pins are put at places of the list, and
	// Boosts multiply scores.
	Exclude, Bury []string
	Pins          []Pin
	Boosts        []Boost
	// Explore is the share of places for exploration, 0 to 1; nil is the profile's.
	Explore *float64
	// At ranks as of a time; zero is now. Seed repeats draws; nil draws one.
	At   time.Time
	Seed *uint64
	// Cursor continues a list, AsOf asks for an earlier list again; they come from an [Answer].
	Cursor, AsOf string
	// Explain asks for every term of every score.
	Explain bool

	// WithCursor and WithAsOf ask for the answer's Cursor and AsOf, which take up to 40 KB each. A query that has a cursor
	// gets one in any case.
	WithCursor, WithAsOf bool
}

// Pin puts an item at a place of the list, counted from 1.
type Pin struct {
	Item string
	Rank int
}

// Boost multiplies the scores of the items that meet a filter.
type Boost struct {
	Where  string
	Factor float64
}

// Answer is a ranked list.
type Answer struct {
	// Items are in the order in which they should be shown.
	Items []RankedItem
	// Feed numbers the list, at random.
	Feed uint64
	// Profile and Version are what ranked it, At the time that it was ranked for, Seed what its draws came from.
	Profile string
	Version uint32
	At      time.Time
	Seed    uint64
	// Cursor continues the list, empty if there's nothing behind it or it wasn't asked for; AsOf asks for this list again.
	Cursor, AsOf string
	// Broken are rules of diversity that couldn't be kept, in words; Warnings what didn't stop the list.
	Broken, Warnings []string
	// Token is what the list has seen.
	Token string
	// Stats say what it took the server.
	Stats RankStats
}

// RankedItem is one item of an [Answer].
type RankedItem struct {
	Item  string
	Score float64
	// Slot is the exploration slot that gave the place to the item, empty for a place that was ranked or pinned; Propensity
	// is the probability with which the item was drawn for it, 1 where nothing was drawn.
	Slot       string
	Propensity float64
	// Ref is what a signal about the item echoes ([Signal.Ref]): the log then has which list showed it, and where.
	Ref []byte
	// Pinned reports that the query put the item there.
	Pinned bool
	// Terms are the steps of the score, if the query asked for them; their deltas, added in order, are the score.
	Terms []Term
}

// Term is one step of a score: its expression in the profile had Value, was added or multiplied (Op), and changed the score
// by Delta.
type Term struct {
	Name, Op     string
	Value, Delta float64
}

// RankStats say what a list took.
type RankStats struct {
	// Candidates were found, Passed of them had the filter, hides and cheap gates let through, Scored had all their features
	// computed.
	Candidates, Passed, Scored int
	// Degradation is how much was left out because many queries were under way: "full" is nothing.
	Degradation string
	// Times of the stages: reading the user, finding candidates, first and second phase, mixing.
	User, Find, First, Second, Mix time.Duration
	// Unreachable names the regions whose writes may be missing: they weren't heard of for five seconds, or have lagged for that
	// long. Lag is how old the oldest event is that is known to be missing, about.
	Unreachable []string
	Lag         time.Duration
}

// Rank answers what should be shown. A refused query is an [InputError].
func (c *Client) Rank(ctx context.Context, q Query) (*Answer, error) {
	res, err := invoke(ctx, c, "rank", again, c.rankRequest(ctx, &q), tidalpbconnect.TidalClient.Rank)
	if err != nil {
		return nil, err
	}
	return answerOf(res), nil
}

// Explain returns in words how a query is answered, and the answer with every term of every score.
func (c *Client) Explain(ctx context.Context, q Query) (plan string, a *Answer, err error) {
	req := &tidalpb.ExplainRequest{Rank: c.rankRequest(ctx, &q)}
	res, err := invoke(ctx, c, "explain", again, req, tidalpbconnect.TidalClient.Explain)
	if err != nil {
		return "", nil, err
	}
	return res.GetPlan(), answerOf(res.GetAnswer()), nil
}

func (c *Client) rankRequest(ctx context.Context, q *Query) *tidalpb.RankRequest {
	req := &tidalpb.RankRequest{Token: c.tokenOf(ctx), WithCursor: q.WithCursor, WithAsOf: q.WithAsOf}
	switch {
	case q.Text != "":
		req.Query = &tidalpb.RankRequest_Text{Text: q.Text}
	case q.JSON != "":
		req.Query = &tidalpb.RankRequest_Json{Json: q.JSON}
	default:
		req.Query = &tidalpb.RankRequest_Typed{Typed: q.typed()}
	}
	return req
}

func (q *Query) typed() *tidalpb.RankQuery {
	m := &tidalpb.RankQuery{
		User: idText(q.User), Profile: q.Profile, Version: q.Version, Limit: int32(q.Limit), Filter: q.Filter,
		Similar: idText(q.Similar), Cohort: q.Cohort, Window: q.Window, Signal: q.Signal, Exclude: idTexts(q.Exclude),
		Explore: q.Explore, Bury: idTexts(q.Bury), At: timeMessage(q.At), Seed: q.Seed, Cursor: q.Cursor, AsOf: q.AsOf,
		Explain: q.Explain,
	}
	for _, p := range q.Pins {
		m.Pins = append(m.Pins, &tidalpb.Pin{Item: idText(p.Item), Rank: int32(p.Rank)})
	}
	for _, b := range q.Boosts {
		m.Boosts = append(m.Boosts, &tidalpb.Boost{Where: b.Where, Factor: b.Factor})
	}
	return m
}

func answerOf(m *tidalpb.RankResponse) *Answer {
	s := m.GetStats()
	a := &Answer{
		Items: make([]RankedItem, len(m.GetItems())), Feed: m.GetFeed(), Profile: m.GetProfile(), Version: m.GetVersion(),
		At: timeOf(m.GetAt()), Seed: m.GetSeed(), Cursor: m.GetCursor(), AsOf: m.GetAsOf(), Broken: m.GetBroken(),
		Warnings: m.GetWarnings(), Token: m.GetToken(),
		Stats: RankStats{
			Candidates: int(s.GetCandidates()), Passed: int(s.GetPassed()), Scored: int(s.GetScored()),
			Degradation: s.GetDegradation(), User: micros(s.GetUserUs()), Find: micros(s.GetFindUs()),
			First: micros(s.GetFirstUs()), Second: micros(s.GetSecondUs()), Mix: micros(s.GetMixUs()),
			Unreachable: s.GetUnreachable(), Lag: micros(s.GetLagUs()),
		},
	}
	for i, it := range m.GetItems() {
		a.Items[i] = RankedItem{
			Item: idOf(it.GetItem()), Score: it.GetScore(), Slot: it.GetSlot(), Propensity: it.GetPropensity(), Ref: it.GetRef(),
			Pinned: it.GetPinned(),
		}
		for _, t := range it.GetTerms() {
			a.Items[i].Terms = append(a.Items[i].Terms, Term{
				Name: t.GetName(), Op: t.GetOp(), Value: t.GetValue(), Delta: t.GetDelta(),
			})
		}
	}
	return a
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
