package client

import (
	"context"
	"iter"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Entity is what was put and patched of an item, user or creator.
type Entity struct {
	Kind Kind
	ID   string
	// Fields are the fields and embeddings that are set; nil if none is.
	Fields Fields
	// Touched is when the latest put or patch was stamped.
	Touched time.Time
}

func entityOf(m *tidalpb.Entity) Entity {
	return Entity{
		Kind: Kind(m.GetKind()), ID: idOf(m.GetId()), Fields: fieldsOf(m.GetFields()), Touched: timeOf(m.GetTouched()),
	}
}

// Get returns an entity. [ErrNotFound] means that it was never put or patched, or was deleted or erased since.
func (c *Client) Get(ctx context.Context, kind Kind, id string) (Entity, error) {
	req := &tidalpb.GetRequest{Kind: tidalpb.Kind(kind), Id: idText(id), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "get", again, req, tidalpbconnect.TidalClient.Get)
	if err != nil {
		return Entity{}, err
	}
	return entityOf(res.GetEntity()), nil
}

// List returns a page of existing entities of a kind, in ascending order of the bytes of their ids: those behind the id
// after, which is empty for the first page; at most limit, 1–10,000, 0 is 100. It also returns what the next page's after
// is, empty behind the last one. Pages aren't a snapshot.
func (c *Client) List(ctx context.Context, kind Kind, after string, limit int) (page []Entity, next string, err error) {
	req := &tidalpb.ListRequest{
		Kind: tidalpb.Kind(kind), After: idText(after), Limit: int32(limit), Token: c.tokenOf(ctx),
	}
	res, err := invoke(ctx, c, "list", again, req, tidalpbconnect.TidalClient.List)
	if err != nil {
		return nil, "", err
	}
	page = make([]Entity, len(res.GetEntities()))
	for i, m := range res.GetEntities() {
		page[i] = entityOf(m)
	}
	return page, idOf(res.GetNext()), nil
}

// Entities returns every entity of a kind, page by page as [Client.List] reads them. Where it ends with an error, that is
// its last pair.
func (c *Client) Entities(ctx context.Context, kind Kind) iter.Seq2[Entity, error] {
	return func(yield func(Entity, error) bool) {
		after := ""
		for {
			page, next, err := c.List(ctx, kind, after, 1000)
			if err != nil {
				yield(Entity{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// UserState is what is known of a user.
type UserState struct {
	// Entity is what was put and patched.
	Entity
	// Recents are the items that the user met last, newest first.
	Recents []Interaction
	// Ties are a page of what holds between the user and items and creators; Next continues them, empty behind the last
	// page.
	Ties []Tie
	Next string
}

// Interaction is one signal of a user. Position names the event, as an [Undo] takes it.
type Interaction struct {
	Type, Item string
	Time       time.Time
	Position   Position
	Undone     bool
}

// Tie is what a user decided about an item or a creator, or did to an item.
type Tie struct {
	Kind        Kind
	ID          string
	Relations   []Relation
	Marks       []Mark
	Collections []string
	// Seen is when the item was last shown to the user, zero if it never was.
	Seen time.Time
}

// User returns what is known of a user, with a page of ties: those behind after, which is the Next of the page before,
// empty for the first; at most limit, 1–10,000, 0 is 100. [ErrNotFound] means that nothing is known.
func (c *Client) User(ctx context.Context, user, after string, limit int) (UserState, error) {
	req := &tidalpb.UserRequest{User: idText(user), After: after, Limit: int32(limit), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "user", again, req, tidalpbconnect.TidalClient.User)
	if err != nil {
		return UserState{}, err
	}
	u := UserState{Next: res.GetNext(), Entity: Entity{
		Kind: User, ID: idOf(res.GetUser()), Fields: fieldsOf(res.GetFields()), Touched: timeOf(res.GetTouched()),
	}}
	for _, m := range res.GetRecents() {
		u.Recents = append(u.Recents, Interaction{
			Type: m.GetType(), Item: idOf(m.GetItem()), Time: timeOf(m.GetTime()), Position: positionOf(m.GetPosition()),
			Undone: m.GetUndone(),
		})
	}
	for _, m := range res.GetTies() {
		t := Tie{Kind: Kind(m.GetKind()), ID: idOf(m.GetId()), Collections: m.GetCollections(), Seen: timeOf(m.GetSeen())}
		for _, r := range m.GetRelations() {
			t.Relations = append(t.Relations, Relation(r))
		}
		for _, k := range m.GetMarks() {
			t.Marks = append(t.Marks, Mark(k))
		}
		u.Ties = append(u.Ties, t)
	}
	return u, nil
}

// Collection is one of a user's named lists of items, with how many are in it.
type Collection struct {
	Name  string
	Items int
}

// Collections returns a user's collections in ascending order of their names.
func (c *Client) Collections(ctx context.Context, user string) ([]Collection, error) {
	req := &tidalpb.CollectionsRequest{User: idText(user), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "collections", again, req, tidalpbconnect.TidalClient.Collections)
	if err != nil {
		return nil, err
	}
	out := make([]Collection, len(res.GetCollections()))
	for i, m := range res.GetCollections() {
		out[i] = Collection{Name: m.GetName(), Items: int(m.GetItems())}
	}
	return out, nil
}

// CollectedItem is an item in a collection, and when it was put there last.
type CollectedItem struct {
	Item  string
	Added time.Time
}

// Collection returns a page of the items of a collection, the one that was put there last first: those behind the item
// after, empty for the first page; at most limit, 1–10,000, 0 is 100. next is empty behind the last page.
func (c *Client) Collection(ctx context.Context, user, name, after string, limit int) (page []CollectedItem, next string, err error) {
	req := &tidalpb.CollectionRequest{
		User: idText(user), Name: name, After: idText(after), Limit: int32(limit), Token: c.tokenOf(ctx),
	}
	res, err := invoke(ctx, c, "collection", again, req, tidalpbconnect.TidalClient.Collection)
	if err != nil {
		return nil, "", err
	}
	page = make([]CollectedItem, len(res.GetItems()))
	for i, m := range res.GetItems() {
		page[i] = CollectedItem{Item: idOf(m.GetItem()), Added: timeOf(m.GetAdded())}
	}
	return page, idOf(res.GetNext()), nil
}

// Suggestion is a value of a field, and how many existing items have it.
type Suggestion struct {
	Value string
	Items int
}

// Suggest returns the values of a keyword or tags field of items that begin with a prefix, those first that most existing
// items have; limit is 1–100, 0 is 10.
func (c *Client) Suggest(ctx context.Context, field, prefix string, limit int) ([]Suggestion, error) {
	req := &tidalpb.SuggestRequest{Field: field, Prefix: prefix, Limit: int32(limit), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "suggest", again, req, tidalpbconnect.TidalClient.Suggest)
	if err != nil {
		return nil, err
	}
	out := make([]Suggestion, len(res.GetSuggestions()))
	for i, m := range res.GetSuggestions() {
		out[i] = Suggestion{Value: m.GetValue(), Items: int(m.GetItems())}
	}
	return out, nil
}
