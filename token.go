package tidal

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/token"
)

// NotYetError says which event a token names that isn't visible here. Reach it with errors.As.
type NotYetError = fault.NotYet

// Token returns a text that names everything this database holds now, for [DB.Wait]: whoever got it here sees no less on
// any copy that it waits for. It is in the alphabet of URLs, sealed, and good for at least 90 days. It's empty if the
// database was closed.
func (db *DB) Token() string {
	var seen token.Seen
	err := db.read(context.Background(), func(e *engine.Engine) error {
		seen = token.Seen{Vector: e.Vector(), Highest: e.Highest()}
		return nil
	})
	if err != nil {
		return ""
	}
	return db.seal(&seen)
}

func (db *DB) seal(seen *token.Seen) string {
	keys, err := db.host.Keys()
	if err != nil {
		return ""
	}
	return seen.Text(keys)
}

// Token returns a text that names what was written, for [DB.Wait]: whoever waits for it sees the write. It is made when it
// is asked for. See [DB.Token]; a receipt that no database gave has none.
func (r Receipt) Token() string {
	if r.db == nil || r.Position.IsZero() || r.Count == 0 {
		return ""
	}
	last := r.Position
	last.Seq += id.Seq(r.Count) - 1
	seen := token.Seen{Vector: VersionVector{}.With(last.Origin(), last.Seq)}
	_ = r.db.read(context.Background(), func(e *engine.Engine) error {
		seen.Highest = e.Highest()
		return nil
	})
	return r.db.seal(&seen)
}

// Token returns a text that names what the list was made from, for [DB.Wait]: whoever waits for it sees no less. It is made
// when it is asked for. See [DB.Token].
func (a *Answer) Token() string {
	return (&token.Seen{Vector: a.Vector, Highest: a.highest}).Text(a.keys)
}

// Wait returns once everything is visible here that a token names; a token of this database and this process is waited
// for not at all. The empty token names nothing.
//
// A token that was changed, that another database gave, or that is too old is an [InputError]. When ctx ends before, the
// error is the context's and a [NotYetError]; a database that is open for reading alone doesn't wait, for nothing more
// comes.
func (db *DB) Wait(ctx context.Context, text string) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	if text == "" {
		return nil
	}
	var seen token.Seen
	err := db.unseal(ctx, func(keys token.Keys) (err error) {
		seen, err = token.OpenSeen(keys, text)
		return err
	})
	if err != nil {
		db.tokens.unsealed(err)
		return err
	}
	return db.await(ctx, seen.Vector)
}

// unseal opens something sealed. Where there are other regions, the key may be one that another one has drawn, and is waited
// for as everything else that is on its way.
func (db *DB) unseal(ctx context.Context, open func(token.Keys) error) error {
	var refused error
	try := func() bool {
		keys, err := db.host.Keys()
		if err == nil {
			err = open(keys)
		}
		refused = err
		return !errors.Is(err, token.ErrKey) || !db.host.Elsewhere()
	}
	if err := db.host.AwaitThat(ctx, try); err != nil {
		return fmt.Errorf("wait for a key: %w: %w", err, db.known(refused))
	}
	return refused
}

// known says of a token that a key has sealed which isn't here that it may come, where it may: another region has drawn it.
func (db *DB) known(err error) error {
	if errors.Is(err, token.ErrKey) && db.host.Elsewhere() {
		return &fault.NotYet{Position: "that brings the key of the token"}
	}
	return err
}

// RotateKeys draws a new key that seals cursors, references and tokens from now on. What other keys have sealed can be
// read for 90 more days. That happens by itself every 30 days; call it when somebody may have seen a key.
func (db *DB) RotateKeys(ctx context.Context) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	if err := db.host.TendKeys(ctx, true); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	return nil
}
