package server

import (
	"context"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Rank is in the schema's words.
func (x *service) Rank(ctx context.Context, m *tidalpb.RankRequest) (*tidalpb.RankResponse, error) {
	q, err := queryOf(m)
	if err != nil {
		return nil, err
	}
	return x.rank(ctx, m, q)
}

func (x *service) rank(ctx context.Context, m *tidalpb.RankRequest, q *query.Query) (*tidalpb.RankResponse, error) {
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	begun := x.s.now()
	a, err := x.s.db.Rank(ctx, q)
	if x.s.recorder != nil {
		x.s.recorder.Ranked(&Ranked{Begun: begun, Took: x.s.now().Sub(begun), Query: q, Answer: a, Err: err})
	}
	if err != nil {
		return nil, err
	}
	out := answerMessage(a)
	if m.GetWithCursor() || q.Cursor != "" {
		out.Cursor = a.Cursor()
	}
	if m.GetWithAsOf() {
		out.AsOf = a.AsOf()
	}
	callOf(ctx).w.Header().Set(headerToken, out.Token)
	return out, nil
}

// Explain is in the schema's words.
func (x *service) Explain(ctx context.Context, m *tidalpb.ExplainRequest) (*tidalpb.ExplainResponse, error) {
	q, err := queryOf(m.GetRank())
	if err != nil {
		return nil, err
	}
	q.Explain = true
	answer, err := x.rank(ctx, m.GetRank(), q)
	if err != nil {
		return nil, err
	}
	plan, err := x.s.db.QueryPlan(ctx, q)
	if err != nil {
		return nil, err
	}
	return &tidalpb.ExplainResponse{Plan: plan, Answer: answer}, nil
}

// queryOf reads a query in whichever form it has.
func queryOf(m *tidalpb.RankRequest) (*query.Query, error) {
	switch x := m.GetQuery().(type) {
	case *tidalpb.RankRequest_Text:
		return query.Parse(x.Text)
	case *tidalpb.RankRequest_Json:
		return query.ParseJSON([]byte(x.Json))
	case *tidalpb.RankRequest_Object:
		data, err := protojson.Marshal(x.Object)
		if err != nil {
			return nil, fault.Refuse("query", "can't be written as JSON")
		}
		return query.ParseJSON(data)
	case *tidalpb.RankRequest_Typed:
		return typedQuery(x.Typed)
	}
	return nil, fault.Refuse("query", "is missing: give text, json, object or typed")
}

func typedQuery(m *tidalpb.RankQuery) (*query.Query, error) {
	var r idReader
	q := &query.Query{
		User: r.id("user", m.GetUser()), Profile: m.GetProfile(), Version: m.GetVersion(), Limit: int(m.GetLimit()),
		Similar: r.id("similar", m.GetSimilar()), Cohort: r.id("cohort", m.GetCohort()), Signal: m.GetSignal(),
		Cursor: m.GetCursor(), AsOf: m.GetAsOf(), Explain: m.GetExplain(), Explore: m.Explore, Seed: m.Seed,
	}
	for _, x := range m.GetExclude() {
		q.Exclude = append(q.Exclude, r.id("exclude", x))
	}
	for _, x := range m.GetBury() {
		q.Buries = append(q.Buries, r.id("bury", x))
	}
	for _, x := range m.GetPins() {
		q.Pins = append(q.Pins, query.Pin{Item: r.id("pins", x.GetItem()), Rank: int(x.GetRank())})
	}
	if r.err != nil {
		return nil, r.err
	}
	var err error
	if q.At, err = timeOf("at", m.GetAt()); err != nil {
		return nil, err
	}
	if m.GetWindow() != "" {
		if q.Window, err = schema.ParseWindow(m.GetWindow()); err != nil {
			return nil, fault.Refuse("window", "is %q; it is one of 1h, 24h, 7d, 30d, all", m.GetWindow())
		}
	}
	if m.GetFilter() != "" {
		if q.Filter, err = query.ParseFilter(m.GetFilter()); err != nil {
			return nil, err
		}
	}
	for _, x := range m.GetBoosts() {
		where, err := query.ParseFilter(x.GetWhere())
		if err != nil {
			return nil, err
		}
		q.Boosts = append(q.Boosts, query.Boost{Where: where, Factor: x.GetFactor()})
	}
	return q, nil
}

func answerMessage(a *tidal.Answer) *tidalpb.RankResponse {
	out := &tidalpb.RankResponse{
		Items: make([]*tidalpb.RankedItem, len(a.Items)), Feed: a.Feed, Profile: a.Profile, Version: a.Version,
		At: timeMessage(a.At), Seed: a.Seed, Broken: a.Broken, Warnings: a.Warnings, Token: a.Token(),
		Stats: &tidalpb.RankStats{
			Candidates: int32(a.Stats.Candidates), Passed: int32(a.Stats.Passed), Scored: int32(a.Stats.Scored),
			Degradation: a.Stats.Degradation, UserUs: micros(a.Stats.User), FindUs: micros(a.Stats.Find),
			FirstUs: micros(a.Stats.First), SecondUs: micros(a.Stats.Second), MixUs: micros(a.Stats.Mix),
			Partial: len(a.Stats.Unreachable) > 0, Unreachable: a.Stats.Unreachable,
		},
	}
	if len(a.Stats.Unreachable) > 0 || a.Stats.Lag > 0 {
		out.Stats.LagUs = proto.Int64(micros(a.Stats.Lag))
	}
	items := make([]tidalpb.RankedItem, len(a.Items))
	for i := range a.Items {
		x, m := &a.Items[i], &items[i]
		m.Item, m.Score, m.Slot, m.Propensity, m.Pinned = idText(x.Item), x.Score, x.Slot, x.Propensity, x.Pinned
		m.Ref = a.Ref(i)
		for _, t := range x.Terms {
			m.Terms = append(m.Terms, &tidalpb.Term{Name: t.Name, Op: t.Op.String(), Value: t.Value, Delta: t.Delta})
		}
		out.Items[i] = m
	}
	return out
}
