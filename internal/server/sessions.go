package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// StartSession is in the schema's words.
func (x *service) StartSession(ctx context.Context, m *tidalpb.StartSessionRequest) (*tidalpb.StartSessionResponse, error) {
	if err := x.s.lead(true); err != nil {
		return nil, err
	}
	if err := callOf(ctx).onlyQuorum(); err != nil {
		return nil, err
	}
	if err := x.s.await(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	var r idReader
	start := tidal.SessionStart{
		User: r.id("user", m.GetUser()), ID: r.id("id", m.GetId()), Agent: m.GetAgent(), Policy: m.GetPolicy(),
		Trace: callOf(ctx).trace,
	}
	if r.err != nil {
		return nil, r.err
	}
	if key := callOf(ctx).r.Header.Get(headerKey); key != "" && start.ID == "" {
		// Sent again it is the same session, as a session with an id is anyway.
		hash := sha256.Sum256([]byte(key))
		start.ID = hex.EncodeToString(hash[:16])
	}
	const most = 10 * 366 * 24 * time.Hour // the database knows better; this is what a duration can hold
	if m.GetTtlMs() < 0 || m.GetTtlMs() > most.Milliseconds() {
		return nil, fault.Refuse("ttl_ms", "is %d, which is no span of time from 1 ms to 10 years", m.GetTtlMs())
	}
	start.TTL = time.Duration(m.GetTtlMs()) * time.Millisecond
	s, err := x.s.db.StartSession(ctx, start)
	if err != nil {
		return nil, err
	}
	callOf(ctx).w.Header().Set(headerToken, s.Token())
	summary, err := x.s.db.SessionSummary(ctx, s.User(), s.ID())
	if err != nil {
		return nil, err
	}
	return &tidalpb.StartSessionResponse{Session: sessionMessage(&summary)}, nil
}

// sessionName reads whose session is meant, and which.
func sessionName(user, id string) (string, string, error) {
	var r idReader
	return r.id("user", user), r.id("id", id), r.err
}

// WriteSession is in the schema's words.
func (x *service) WriteSession(ctx context.Context, m *tidalpb.WriteSessionRequest) (*tidalpb.WriteSessionResponse, error) {
	c := callOf(ctx)
	if c.r.Header.Get(headerKey) != "" {
		return nil, fault.Refuse(headerKey, "is for requests outside of sessions; a session's request that may be sent again has a number")
	}
	// Which number comes next only the leader can tell, and a request without one counts as often as it arrives.
	identified := m.GetNumber() > 0
	if err := x.s.lead(identified); err != nil {
		return nil, err
	}
	user, id, err := sessionName(m.GetUser(), m.GetId())
	if err != nil {
		return nil, err
	}
	number, err := numberOf(m.GetNumber())
	if err != nil {
		return nil, err
	}
	records := make([]tidal.Record, len(m.GetRecords()))
	for i, r := range m.GetRecords() {
		if records[i], err = sessionRecordOf(r); err != nil {
			return nil, fault.At(i, err)
		}
	}
	ack, err := c.ackOf(m.GetAck())
	if err != nil {
		return nil, err
	}
	if err := x.s.await(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	session, err := x.s.db.Session(ctx, user, id)
	if err != nil && session == nil {
		return nil, err
	}
	if ack == tidal.AckGeo {
		var cancel context.CancelFunc
		ctx, cancel = sooner(ctx)
		defer cancel()
	}
	begun := x.s.now()
	receipt, err := session.WriteAck(ctx, ack, number, records...)
	if x.s.recorder != nil {
		x.s.recorder.Written(&Written{Begun: begun, Took: x.s.now().Sub(begun), Records: records, Receipt: receipt, Err: err})
	}
	if err != nil {
		return nil, misdirected(err, identified)
	}
	out := x.s.receiptMessage(&receipt)
	if out.GetDuplicate() {
		c.w.Header().Set(headerReplayed, "true")
	}
	token := session.Token()
	c.w.Header().Set(headerToken, token)
	return &tidalpb.WriteSessionResponse{Receipt: &tidalpb.SessionReceipt{
		Number: int64(receipt.Number), Position: out.GetPosition(), Count: out.GetCount(), Duplicate: out.GetDuplicate(),
		Clamped: out.GetClamped(), Token: token, DurableUs: out.GetDurableUs(), VisibleUs: out.GetVisibleUs(),
	}}, nil
}

func sessionRecordOf(m *tidalpb.SessionRecord) (tidal.Record, error) {
	switch x := m.GetRecord().(type) {
	case *tidalpb.SessionRecord_Signal:
		return signalOf(x.Signal)
	case *tidalpb.SessionRecord_Relate:
		return recordOf(&tidalpb.Record{Record: &tidalpb.Record_Relate{Relate: x.Relate}}, nil)
	case *tidalpb.SessionRecord_SetMark:
		return recordOf(&tidalpb.Record{Record: &tidalpb.Record_SetMark{SetMark: x.SetMark}}, nil)
	case *tidalpb.SessionRecord_Collect:
		return recordOf(&tidalpb.Record{Record: &tidalpb.Record_Collect{Collect: x.Collect}}, nil)
	case *tidalpb.SessionRecord_Note:
		return tidal.Note{Name: x.Note.GetName(), Text: x.Note.GetText()}, nil
	case *tidalpb.SessionRecord_Search:
		var r idReader
		out := tidal.Search{Query: x.Search.GetQuery()}
		for _, id := range x.Search.GetResults() {
			out.Results = append(out.Results, r.id("results", id))
		}
		return out, r.err
	}
	return nil, fault.Refuse("", "is empty; a record of a session is a signal, relate, set_mark, collect, note or search")
}

// CloseSession is in the schema's words.
func (x *service) CloseSession(ctx context.Context, m *tidalpb.CloseSessionRequest) (*tidalpb.CloseSessionResponse, error) {
	if err := x.s.lead(true); err != nil {
		return nil, err
	}
	if err := callOf(ctx).onlyQuorum(); err != nil {
		return nil, err
	}
	if err := x.s.await(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	user, id, err := sessionName(m.GetUser(), m.GetId())
	if err != nil {
		return nil, err
	}
	session, err := x.s.db.Session(ctx, user, id)
	if err != nil && session == nil {
		return nil, err
	}
	summary, err := session.Close(ctx)
	if err != nil {
		return nil, err
	}
	return &tidalpb.CloseSessionResponse{Session: sessionMessage(&summary)}, nil
}

// GetSession is in the schema's words.
func (x *service) GetSession(ctx context.Context, m *tidalpb.GetSessionRequest) (*tidalpb.GetSessionResponse, error) {
	user, id, err := sessionName(m.GetUser(), m.GetId())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	summary, err := x.s.db.SessionSummary(ctx, user, id)
	if err != nil {
		return nil, err
	}
	return &tidalpb.GetSessionResponse{Session: sessionMessage(&summary)}, nil
}

// maxSessions is how many sessions of a user are kept at most, all of which make one page.
const maxSessions = 10000

// ListSessions is in the schema's words.
func (x *service) ListSessions(ctx context.Context, m *tidalpb.ListSessionsRequest) (*tidalpb.ListSessionsResponse, error) {
	user, err := idOf("user", m.GetUser())
	if err != nil {
		return nil, err
	}
	since, err := timeOf("since", m.GetSince())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	all, err := x.s.db.Sessions(ctx, tidal.SessionQuery{User: user, Since: since, Limit: maxSessions})
	if err != nil {
		return nil, err
	}
	out := &tidalpb.ListSessionsResponse{}
	for i := range all {
		out.Sessions = append(out.Sessions, sessionMessage(&all[i]))
	}
	return out, nil
}

// SummariseSessions is in the schema's words.
func (x *service) SummariseSessions(
	ctx context.Context, m *tidalpb.SummariseSessionsRequest,
) (*tidalpb.SummariseSessionsResponse, error) {
	user, err := idOf("user", m.GetUser())
	if err != nil {
		return nil, err
	}
	since, err := timeOf("since", m.GetSince())
	if err != nil {
		return nil, err
	}
	if err := x.s.wait(ctx, m.GetToken()); err != nil {
		return nil, err
	}
	all, err := x.s.db.UserSessions(ctx, user, since)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.SummariseSessionsResponse{
		Sessions: int64(all.Sessions), Open: int64(all.Open), Signals: all.Signals, Rejections: all.Rejections,
		Types: countMessages(all.TopTypes),
	}
	if all.DriftKnown {
		out.Drift = proto.Float64(all.Drift)
	}
	return out, nil
}

func countMessages(counts []tidal.TypeCount) []*tidalpb.TypeCount {
	out := make([]*tidalpb.TypeCount, len(counts))
	for i, c := range counts {
		out[i] = &tidalpb.TypeCount{Type: c.Type, Signals: c.N}
	}
	return out
}

func sessionMessage(s *tidal.SessionSummary) *tidalpb.Session {
	return &tidalpb.Session{
		User: idText(s.User), Id: idText(s.ID), Agent: idText(s.Agent), Policy: s.Policy, Opened: timeMessage(s.Opened),
		Until: timeMessage(s.Until), Last: timeMessage(s.Last), Ended: s.Ended, Closed: timeMessage(s.Closed),
		AutoClosed: s.AutoClosed, DurationMs: s.Duration.Milliseconds(), Signals: s.Signals, Types: countMessages(s.Types),
		Others: s.Others, Notes: s.Notes, Searches: s.Searches, Rejections: s.Rejections,
	}
}
