package server

import (
	"context"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/schema"
)

// Schema is in the schema's words.
func (x *service) Schema(_ context.Context, _ *tidalpb.SchemaRequest) (*tidalpb.SchemaResponse, error) {
	return schemaMessage(x.s.db.Schema()), nil
}

func schemaMessage(s *schema.Schema) *tidalpb.SchemaResponse {
	out := &tidalpb.SchemaResponse{Name: s.Name, Version: s.Version, Hash: s.Hash().String(), Yaml: string(s.YAML())}
	if !s.Parent.IsZero() {
		out.Parent = s.Parent.String()
	}
	for i := range s.Signals {
		t := &s.Signals[i]
		m := &tidalpb.SignalType{
			Name: t.Name, Meaning: t.Meaning.String(), Permanent: t.Permanent, Velocity: t.Velocity,
			UniqueUsers: t.UniqueUsers, Seen: t.Seen,
		}
		for _, h := range t.HalfLives {
			m.HalfLives = append(m.HalfLives, schema.FormatDuration(h))
		}
		for _, w := range t.Windows {
			m.Windows = append(m.Windows, w.String())
		}
		out.Signals = append(out.Signals, m)
	}
	return out
}

// Profiles is in the schema's words.
func (x *service) Profiles(_ context.Context, _ *tidalpb.ProfilesRequest) (*tidalpb.ProfilesResponse, error) {
	own := x.s.db.Schema()
	out := &tidalpb.ProfilesResponse{}
	for _, p := range x.s.db.Profiles() {
		_, ours := own.Profile(p.Name, p.Version)
		out.Profiles = append(out.Profiles, &tidalpb.Profile{Name: p.Name, Version: p.Version, Builtin: !ours})
	}
	return out, nil
}

// Stats is in the schema's words.
func (x *service) Stats(_ context.Context, _ *tidalpb.StatsRequest) (*tidalpb.StatsResponse, error) {
	s := x.s.db.Stats()
	return &tidalpb.StatsResponse{
		Items: int64(s.Items), Users: int64(s.Users), Creators: int64(s.Creators), Cells: int64(s.Cells),
		Signals: int64(s.Signals), Clamped: int64(s.Clamped), Newest: timeMessage(s.Newest), Parked: int64(s.Parked),
		Vector: s.Vector.String(), LogBytes: s.LogBytes, StateBytes: s.StateBytes, ViewBytes: s.ViewBytes,
		HiddenServed: int64(s.HiddenServed), UsersResident: int64(s.UserMemory.Resident),
		UsersCold: int64(s.UserMemory.Cold), UserBytes: s.UserMemory.Bytes, UserBudget: s.UserMemory.Budget,
		Token: x.s.db.Token(),
	}, nil
}

// Lane is in the schema's words.
func (x *service) Lane(ctx context.Context, m *tidalpb.LaneRequest) (*tidalpb.LaneResponse, error) {
	if err := x.s.wait(ctx, ""); err != nil {
		return nil, err
	}
	n, ok := x.s.db.Lane(m.GetLane())
	return &tidalpb.LaneResponse{Known: ok, Number: int64(n)}, nil
}
