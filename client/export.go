package client

import (
	"context"
	"iter"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
)

// ExportQuery asks for what the log holds, in its order. From or To is needed, or a Cursor.
type ExportQuery struct {
	// From and To bound the events' times, half open; zero is no bound.
	From, To time.Time
	// Types are the signal types; none is all. User, Item and Session leave only theirs.
	Types               []string
	User, Item, Session string
	// Cursor goes on behind an event, [Event.Cursor].
	Cursor string
	// Name is that of an export that pins the log it still needs; empty for none.
	Name string
	// Limit is how many events at most; 0 is no limit.
	Limit int64
	// WithUndone has events that were undone among them.
	WithUndone bool
}

// Event is one event of the log.
type Event struct {
	// Kind is signal, annotation or search.
	Kind     string
	Position Position
	Time     time.Time
	// Type, Item, User, Creator, Weight and Cohorts are a signal's.
	Type, Item, User, Creator string
	Weight                    float64
	Cohorts                   []string
	// Session and Seq, or else Lane and Number, are what it was written under; Key is its key, Trace its trace id in
	// hexadecimal digits.
	Session string
	Seq     int64
	Lane    string
	Number  int64
	Key     string
	Trace   string
	// Feed, Place, Slot, Propensity, Profile, ProfileVersion and ListTime say which list showed the item, where and why; zero
	// if the signal echoed no reference. Ref is one that isn't this database's.
	Feed           uint64
	Place          int
	Slot           string
	Propensity     float64
	Profile        string
	ProfileVersion uint32
	ListTime       time.Time
	Ref            []byte
	Undone         bool
	// Text is that of an annotation or search, Results what a search found.
	Text    string
	Results []string
	// Cursor goes on behind this event.
	Cursor string
}

// Export returns events of the log. A connection that breaks is taken up again behind the last event, so each event comes
// once. Where it ends with an error, that is its last pair. The client's timeout doesn't hold for it: it takes as long as
// its context allows.
func (c *Client) Export(ctx context.Context, q ExportQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		req := &tidalpb.ExportRequest{
			From: timeMessage(q.From), To: timeMessage(q.To), Types: q.Types, User: idText(q.User), Item: idText(q.Item),
			Session: q.Session, Cursor: q.Cursor, Name: q.Name, Limit: q.Limit, WithUndone: q.WithUndone,
		}
		for try := 1; ; try++ {
			peer := c.peers.pick(again, Nearest)
			came, stopped, err := c.exportSome(ctx, peer, req, yield)
			if err == nil || stopped {
				return
			}
			if came > 0 {
				try = 1
				if req.Limit > 0 {
					if req.Limit -= came; req.Limit == 0 {
						return // all have come; what broke is behind them
					}
				}
			}
			v := judge(err)
			c.turn(peer, again, &v)
			if try > exportTries || !v.retry || !wait(ctx, max(c.pause.before(try), v.after)) {
				yield(Event{}, v.failure(ctx, "export", try, false))
				return
			}
		}
	}
}

// exportTries is how often an export is tried without anything coming, which takes some 10 seconds.
const exportTries = 12

// exportSome yields events of one connection, and moves the request on behind them.
func (c *Client) exportSome(ctx context.Context, peer *peer, req *tidalpb.ExportRequest, yield func(Event, error) bool) (came int64, stopped bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := peer.api.Export(ctx, req)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = stream.Close() }() // what it could say, Err has said
	for stream.Receive() {
		e := eventOf(stream.Msg().GetEvent())
		req.Cursor = e.Cursor
		came++
		if !yield(e, nil) {
			return came, true, nil
		}
	}
	return came, false, stream.Err()
}

func eventOf(m *tidalpb.Exported) Event {
	return Event{
		Kind: m.GetKind(), Position: positionOf(m.GetPosition()), Time: timeOf(m.GetTime()), Type: m.GetType(),
		Item: idOf(m.GetItem()), User: idOf(m.GetUser()), Creator: idOf(m.GetCreator()), Weight: m.GetWeight(),
		Cohorts: m.GetCohorts(), Session: m.GetSession(), Seq: m.GetSeq(), Lane: m.GetLane(), Number: m.GetNumber(),
		Key: m.GetKey(), Trace: m.GetTrace(), Feed: m.GetFeed(), Place: int(m.GetPlace()), Slot: m.GetSlot(),
		Propensity: m.GetPropensity(), Profile: m.GetProfile(), ProfileVersion: m.GetProfileVersion(),
		ListTime: timeOf(m.GetListTime()), Ref: m.GetRef(), Undone: m.GetUndone(), Text: m.GetText(),
		Results: m.GetResults(), Cursor: m.GetCursor(),
	}
}
