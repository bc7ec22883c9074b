package client

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// SessionSummary says what happened in a session.
type SessionSummary struct {
	User, ID, Agent, Policy string
	// Opened is when it was begun, Until when it ends at the latest, zero for never, Last when something was written last.
	Opened, Until, Last time.Time
	// Ended reports that it has, at Closed; AutoClosed that its time was up. Duration is its length so far.
	Ended      bool
	Closed     time.Time
	AutoClosed bool
	Duration   time.Duration
	// Signals were written, by type in Types, the most frequent first; Others are marks, relations and collections;
	// Rejections are requests that were refused while it was open.
	Signals                             int64
	Types                               []TypeCount
	Others, Notes, Searches, Rejections int64
}

// TypeCount is a number of signals of a type.
type TypeCount struct {
	Type    string
	Signals int64
}

func summaryOf(m *tidalpb.Session) SessionSummary {
	return SessionSummary{
		User: idOf(m.GetUser()), ID: idOf(m.GetId()), Agent: m.GetAgent(), Policy: m.GetPolicy(), Opened: timeOf(m.GetOpened()),
		Until: timeOf(m.GetUntil()), Last: timeOf(m.GetLast()), Ended: m.GetEnded(), Closed: timeOf(m.GetClosed()),
		AutoClosed: m.GetAutoClosed(), Duration: time.Duration(m.GetDurationMs()) * time.Millisecond, Signals: m.GetSignals(),
		Types: typeCounts(m.GetTypes()), Others: m.GetOthers(), Notes: m.GetNotes(), Searches: m.GetSearches(),
		Rejections: m.GetRejections(),
	}
}

func typeCounts(msgs []*tidalpb.TypeCount) (out []TypeCount) {
	for _, m := range msgs {
		out = append(out, TypeCount{m.GetType(), m.GetSignals()})
	}
	return out
}

// Session reads what happened in a session, open or not.
func (c *Client) Session(ctx context.Context, user, id string) (SessionSummary, error) {
	req := &tidalpb.GetSessionRequest{User: idText(user), Id: idText(id), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "session", again, req, tidalpbconnect.TidalClient.GetSession)
	if err != nil {
		return SessionSummary{}, err
	}
	return summaryOf(res.GetSession()), nil
}

// Sessions reads a user's sessions that were begun at a time or later, the newest first; zero is all that are kept, which
// are the 64 newest.
func (c *Client) Sessions(ctx context.Context, user string, since time.Time) ([]SessionSummary, error) {
	req := &tidalpb.ListSessionsRequest{User: idText(user), Since: timeMessage(since), Token: c.tokenOf(ctx)}
	res, err := invoke(ctx, c, "sessions", again, req, tidalpbconnect.TidalClient.ListSessions)
	if err != nil {
		return nil, err
	}
	out := make([]SessionSummary, len(res.GetSessions()))
	for i, m := range res.GetSessions() {
		out[i] = summaryOf(m)
	}
	return out, nil
}

// UserSessions says what happened in several sessions of a user.
type UserSessions struct {
	// Sessions were begun, of which Open haven't ended.
	Sessions, Open      int64
	Signals, Rejections int64
	// Types are the most frequent ones, at most 10.
	Types []TypeCount
	// Drift is how far what the user likes has moved from the first session to the last: 0 is not at all, 2 is the
	// opposite; nil is unknown.
	Drift *float64
}

// UserSessions sums up a user's sessions that were begun at a time or later; zero is all that are kept.
func (c *Client) UserSessions(ctx context.Context, user string, since time.Time) (UserSessions, error) {
	req := &tidalpb.SummariseSessionsRequest{User: idText(user), Since: timeMessage(since), Token: c.tokenOf(ctx)}
	m, err := invoke(ctx, c, "sum up sessions", again, req, tidalpbconnect.TidalClient.SummariseSessions)
	if err != nil {
		return UserSessions{}, err
	}
	return UserSessions{
		Sessions: m.GetSessions(), Open: m.GetOpen(), Signals: m.GetSignals(), Rejections: m.GetRejections(),
		Types: typeCounts(m.GetTypes()), Drift: m.Drift,
	}, nil
}
