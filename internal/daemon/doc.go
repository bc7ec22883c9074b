// Package daemon runs a database as a server: it opens the directory, listens, says when it's ready, follows what changes
// while it runs, and stops in an orderly way.
//
//	err := daemon.Run(ctx, daemon.Options{
//		Config: resolved, Log: log, API: func(o server.Options) http.Handler { return server.New(o) },
//	})
//
// Run returns when ctx has ended and the last request is answered, or when something fails that it can't go on without.
// The order of stopping is: say that it isn't ready, stop accepting, let requests under way end, close the database, which
// makes a checkpoint.
//
// What the API answers is package server's; which settings there are is package config's; signals of the operating system
// are the program's, which turns them into a context and a channel.
package daemon
