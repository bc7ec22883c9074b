// Package tidal is a database for personalised ranking: applications write signals (view, like, skip, hide …) about
// items by users, and ask what should be shown to a user now.
//
// [Open] opens a directory, or makes one; [DB.Signal] writes a signal and returns when it is durable and visible;
// [DB.Cell] and [DB.Top] read decayed scores and windowed counts at any time. What items, users and creators are made of
// is written with [DB.Write] and [DB.Load], and read with [DB.Entity], [DB.List] and [DB.User]. [DB.Rank] answers with lists;
// [DB.StartSession] begins an agent's or a device's session with a user.
//
//	db, err := tidal.Open("data", schema.Events(), nil)
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	_, err = db.Signal(ctx, tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"})
//	top, err := db.Top(ctx, tidal.TopQuery{Type: "like", HalfLife: 7 * 24 * time.Hour, Limit: 10})
//
// What was acknowledged survives a crash and a power loss. A request that carries a lane and a number (see
// [Request]) counts once, however often it is sent. Input that is wrong is refused before anything is written, with an
// error that says which record and field ([InputError]).
//
// One process holds a directory at a time. A DB is safe for concurrent use.
package tidal
