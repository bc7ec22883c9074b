package client

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Cell is what was counted for one item under one signal type, read at one time.
type Cell struct {
	// At is the time of the answer; AsOfMark reports that it is that of the cell's newest event, because that lies behind
	// the time asked for.
	At       time.Time
	AsOfMark bool
	// Total is the number of events ever, Windows are the counts of the declared windows: "1h", "24h", "7d", "30d", "all".
	Total   int64
	Windows map[string]int64
	// Velocity is count per second by window, for types that declare it.
	Velocity map[string]float64
	// Scores are the decayed sums of weights by half-life ("7d", "36h" …), "permanent" for the plain sum.
	Scores map[string]float64
	// Unique is the estimated number of users (±3 %), for types that declare it.
	Unique int64
}

// CellQuery asks what was counted for an item under a signal type.
type CellQuery struct {
	Item, Type string
	// Cohort is whose signals alone are asked for; empty is everybody's.
	Cohort string
	// At is the time to read at; zero is now.
	At time.Time
}

// Cell reads what was counted for an item. An item without events of the type has zeros; [ErrNotFound] means that the
// item, or the type, is unknown.
func (c *Client) Cell(ctx context.Context, q CellQuery) (Cell, error) {
	req := &tidalpb.CellRequest{
		Item: idText(q.Item), Type: q.Type, Cohort: q.Cohort, At: timeMessage(q.At), Token: c.tokenOf(ctx),
	}
	res, err := invoke(ctx, c, "cell", again, req, tidalpbconnect.TidalClient.Cell)
	if err != nil {
		return Cell{}, err
	}
	return Cell{
		At: timeOf(res.GetAt()), AsOfMark: res.GetAsOfMark(), Total: res.GetTotal(), Windows: res.GetWindows(),
		Velocity: res.GetVelocity(), Scores: res.GetScores(), Unique: res.GetUnique(),
	}, nil
}

// TopQuery asks for the items with the highest decayed scores under a signal type.
type TopQuery struct {
	Type string
	// HalfLife is one of the type's, such as "7d"; empty is its first, or the plain sum where it has none.
	HalfLife string
	// At is the time to read at; zero is now.
	At time.Time
	// Limit is 1–10,000; 0 is 10.
	Limit int
}

// Scored is one item of a list, and its score as of the time asked for.
type Scored struct {
	Item  string
	Score float64
}

// Top returns the items with the highest decayed scores, highest first.
func (c *Client) Top(ctx context.Context, q TopQuery) ([]Scored, error) {
	req := &tidalpb.TopRequest{
		Type: q.Type, HalfLife: q.HalfLife, At: timeMessage(q.At), Limit: int32(q.Limit), Token: c.tokenOf(ctx),
	}
	res, err := invoke(ctx, c, "top", again, req, tidalpbconnect.TidalClient.Top)
	if err != nil {
		return nil, err
	}
	out := make([]Scored, len(res.GetItems()))
	for i, m := range res.GetItems() {
		out[i] = Scored{Item: idOf(m.GetItem()), Score: m.GetScore()}
	}
	return out, nil
}

// positionOf reads a position; a text that isn't one is none.
func positionOf(text string) Position {
	p, _ := id.ParsePosition(text)
	return p
}
