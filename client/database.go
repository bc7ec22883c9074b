package client

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Schema is the current schema of a database.
type Schema struct {
	Name    string
	Version uint32
	// Hash is this version's, Parent that of the version that it adds to, empty for the first.
	Hash, Parent string
	// YAML is the whole of it, as docs/schema.md describes.
	YAML    string
	Signals []SignalType
}

// SignalType is one kind of signal.
type SignalType struct {
	Name string
	// Meaning is neutral, positive, negative or hard_negative.
	Meaning                                string
	HalfLives, Windows                     []string
	Permanent, Velocity, UniqueUsers, Seen bool
}

// Schema reads the current schema.
func (c *Client) Schema(ctx context.Context) (Schema, error) {
	res, err := invoke(ctx, c, "schema", again, &tidalpb.SchemaRequest{}, tidalpbconnect.TidalClient.Schema)
	if err != nil {
		return Schema{}, err
	}
	s := Schema{
		Name: res.GetName(), Version: res.GetVersion(), Hash: res.GetHash(), Parent: res.GetParent(), YAML: res.GetYaml(),
	}
	for _, m := range res.GetSignals() {
		s.Signals = append(s.Signals, SignalType{
			Name: m.GetName(), Meaning: m.GetMeaning(), HalfLives: m.GetHalfLives(), Windows: m.GetWindows(),
			Permanent: m.GetPermanent(), Velocity: m.GetVelocity(), UniqueUsers: m.GetUniqueUsers(), Seen: m.GetSeen(),
		})
	}
	return s, nil
}

// Profile is one version of a way to rank.
type Profile struct {
	Name    string
	Version uint32
	Builtin bool
}

// Profiles reads which profiles queries can name.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	res, err := invoke(ctx, c, "profiles", again, &tidalpb.ProfilesRequest{}, tidalpbconnect.TidalClient.Profiles)
	if err != nil {
		return nil, err
	}
	out := make([]Profile, len(res.GetProfiles()))
	for i, m := range res.GetProfiles() {
		out[i] = Profile{Name: m.GetName(), Version: m.GetVersion(), Builtin: m.GetBuiltin()}
	}
	return out, nil
}

// Stats says how much a database holds.
type Stats struct {
	Items, Users, Creators, Cells int64
	// Signals were applied; Clamped of them had their time brought back to the bound.
	Signals, Clamped int64
	// Newest is the latest event time, zero if there is none.
	Newest time.Time
	// Parked batches of other origins wait for a schema version or a newer program.
	Parked int64
	// LogBytes are on the disk; StateBytes and ViewBytes in memory.
	LogBytes, StateBytes, ViewBytes int64
	// HiddenServed counts hidden items that were found in finished lists, and taken out; it is 0.
	HiddenServed int64
	// UsersResident are in memory, UsersCold on the disk alone; UserBytes hang on the former, of a budget of UserBudget,
	// which is 0 for none.
	UsersResident, UsersCold, UserBytes, UserBudget int64
	// Token is what the database holds.
	Token string
}

// Stats reads how much the database holds.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	m, err := invoke(ctx, c, "stats", again, &tidalpb.StatsRequest{}, tidalpbconnect.TidalClient.Stats)
	if err != nil {
		return Stats{}, err
	}
	return Stats{
		Items: m.GetItems(), Users: m.GetUsers(), Creators: m.GetCreators(), Cells: m.GetCells(), Signals: m.GetSignals(),
		Clamped: m.GetClamped(), Newest: timeOf(m.GetNewest()), Parked: m.GetParked(), LogBytes: m.GetLogBytes(),
		StateBytes: m.GetStateBytes(), ViewBytes: m.GetViewBytes(), HiddenServed: m.GetHiddenServed(),
		UsersResident: m.GetUsersResident(), UsersCold: m.GetUsersCold(), UserBytes: m.GetUserBytes(),
		UserBudget: m.GetUserBudget(), Token: m.GetToken(),
	}, nil
}
