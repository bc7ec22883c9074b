package server

import (
	"context"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/schema"
)

// defaultPage is the length of the pages of the database for who names none.
const defaultPage = 100

func pageOf(limit int32) int {
	if limit == 0 {
		return defaultPage
	}
	return int(limit)
}

func entityMessage(e *tidal.Entity) *tidalpb.Entity {
	return &tidalpb.Entity{
		Kind: tidalpb.Kind(e.Kind), Id: idText(e.ID), Fields: fieldMessages(e.Fields), Touched: timeMessage(e.Touched),
	}
}

// Get is in the schema's words.
func (x *service) Get(ctx context.Context, m *tidalpb.GetRequest) (*tidalpb.GetResponse, error) {
	kind, err := entityKind(m.GetKind())
	if err != nil {
		return nil, err
	}
	id, err := idOf("id", m.GetId())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	e, err := x.s.db.Entity(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	return &tidalpb.GetResponse{Entity: entityMessage(&e)}, nil
}

// List is in the schema's words.
func (x *service) List(ctx context.Context, m *tidalpb.ListRequest) (*tidalpb.ListResponse, error) {
	kind, err := entityKind(m.GetKind())
	if err != nil {
		return nil, err
	}
	after, err := idOf("after", m.GetAfter())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	page, err := x.s.db.List(ctx, tidal.ListQuery{Kind: kind, After: after, Limit: int(m.GetLimit())})
	if err != nil {
		return nil, err
	}
	out := &tidalpb.ListResponse{Entities: make([]*tidalpb.Entity, len(page))}
	for i := range page {
		out.Entities[i] = entityMessage(&page[i])
	}
	if len(page) == pageOf(m.GetLimit()) {
		out.Next = idText(page[len(page)-1].ID)
	}
	return out, nil
}

// User is in the schema's words.
func (x *service) User(ctx context.Context, m *tidalpb.UserRequest) (*tidalpb.UserResponse, error) {
	user, err := idOf("user", m.GetUser())
	if err != nil {
		return nil, err
	}
	q := tidal.UserQuery{ID: user, Limit: int(m.GetLimit())}
	if q.After, err = tieOf(m.GetAfter()); err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	u, err := x.s.db.User(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.UserResponse{User: idText(u.ID), Fields: fieldMessages(u.Fields), Touched: timeMessage(u.Touched)}
	if u.ID == "" {
		out.User = idText(user)
	}
	for _, r := range u.Recents {
		out.Recents = append(out.Recents, &tidalpb.Interaction{
			Type: r.Type, Item: idText(r.Item), Time: timeMessage(r.Time), Position: r.Position.String(), Undone: r.Undone,
		})
	}
	for i := range u.Ties {
		out.Ties = append(out.Ties, tieMessage(&u.Ties[i]))
	}
	if len(u.Ties) == pageOf(m.GetLimit()) {
		last := &u.Ties[len(u.Ties)-1]
		out.Next = last.Kind.String() + ":" + idText(last.ID)
	}
	return out, nil
}

func tieMessage(t *tidal.Tie) *tidalpb.Tie {
	out := &tidalpb.Tie{
		Kind: tidalpb.Kind(t.Kind), Id: idText(t.ID), Collections: t.Collections, Seen: timeMessage(t.Seen),
	}
	for _, r := range t.Relations {
		out.Relations = append(out.Relations, tidalpb.Relation(r))
	}
	for _, m := range t.Marks {
		out.Marks = append(out.Marks, tidalpb.Mark(m))
	}
	return out
}

// tieOf reads where a page of ties begins: the kind, a colon and the id.
func tieOf(after string) (tidal.Tie, error) {
	if after == "" {
		return tidal.Tie{}, nil
	}
	word, text, _ := strings.Cut(after, ":")
	for _, kind := range []tidal.EntityKind{tidal.Item, tidal.User, tidal.Creator} {
		if word == kind.String() {
			id, err := idOf("after", text)
			return tidal.Tie{Kind: kind, ID: id}, err
		}
	}
	return tidal.Tie{}, fault.Refuse("after", "is no text that a page ended with, such as %q", "item:jazz-101")
}

// Collections is in the schema's words.
func (x *service) Collections(ctx context.Context, m *tidalpb.CollectionsRequest) (*tidalpb.CollectionsResponse, error) {
	user, err := idOf("user", m.GetUser())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	all, err := x.s.db.Collections(ctx, user)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.CollectionsResponse{}
	for _, c := range all {
		out.Collections = append(out.Collections, &tidalpb.Collection{Name: c.Name, Items: int32(c.Items)})
	}
	return out, nil
}

// Collection is in the schema's words.
func (x *service) Collection(ctx context.Context, m *tidalpb.CollectionRequest) (*tidalpb.CollectionResponse, error) {
	var r idReader
	q := tidal.CollectionQuery{
		User: r.id("user", m.GetUser()), Name: m.GetName(), After: r.id("after", m.GetAfter()), Limit: int(m.GetLimit()),
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	page, err := x.s.db.Collection(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.CollectionResponse{}
	for _, c := range page {
		out.Items = append(out.Items, &tidalpb.CollectedItem{Item: idText(c.Item), Added: timeMessage(c.Added)})
	}
	if len(page) == pageOf(m.GetLimit()) {
		out.Next = idText(page[len(page)-1].Item)
	}
	return out, nil
}

// Cell is in the schema's words.
func (x *service) Cell(ctx context.Context, m *tidalpb.CellRequest) (*tidalpb.CellResponse, error) {
	var r idReader
	item, cohort := r.id("item", m.GetItem()), r.id("cohort", m.GetCohort())
	at, err := timeOf("at", m.GetAt())
	if r.err != nil {
		return nil, r.err
	}
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	var cell tidal.Cell
	if cohort != "" {
		cell, err = x.s.db.CohortCell(ctx, cohort, item, m.GetType(), at)
	} else {
		cell, err = x.s.db.Cell(ctx, item, m.GetType(), at)
	}
	if err != nil {
		return nil, err
	}
	out := &tidalpb.CellResponse{
		At: timeMessage(cell.At), AsOfMark: cell.AsOfMark, Total: cell.Total, Windows: cell.Windows,
		Velocity: cell.Velocity, Scores: cell.Scores,
	}
	if _, t, ok := x.s.db.Schema().Signal(m.GetType()); ok && t.UniqueUsers {
		unique := int64(cell.Unique)
		out.Unique = &unique
	}
	return out, nil
}

// Top is in the schema's words.
func (x *service) Top(ctx context.Context, m *tidalpb.TopRequest) (*tidalpb.TopResponse, error) {
	q := tidal.TopQuery{Type: m.GetType(), Limit: int(m.GetLimit())}
	var err error
	if q.At, err = timeOf("at", m.GetAt()); err != nil {
		return nil, err
	}
	if m.GetHalfLife() != "" {
		if q.HalfLife, err = schema.ParseDuration(m.GetHalfLife()); err != nil {
			return nil, fault.Refuse("half_life", "is no duration, such as 7d: %q", m.GetHalfLife())
		}
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	best, err := x.s.db.Top(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.TopResponse{}
	for _, b := range best {
		out.Items = append(out.Items, &tidalpb.ScoredItem{Item: idText(b.Item), Score: b.Score})
	}
	return out, nil
}

// Suggest is in the schema's words.
func (x *service) Suggest(ctx context.Context, m *tidalpb.SuggestRequest) (*tidalpb.SuggestResponse, error) {
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	found, err := x.s.db.Suggest(ctx, m.GetField(), m.GetPrefix(), int(m.GetLimit()))
	if err != nil {
		return nil, err
	}
	out := &tidalpb.SuggestResponse{}
	for _, f := range found {
		out.Suggestions = append(out.Suggestions, &tidalpb.Suggestion{Value: f.Value, Items: int32(f.Items)})
	}
	return out, nil
}
