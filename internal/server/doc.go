// Package server is the network interface of a database, as an http.Handler: the services of proto/ as gRPC, gRPC-Web and
// Connect, and the same as paths under /v1 for curl and for programs without a client.
//
//	s := server.New(server.Options{DB: db, Authorize: keys.Authorize, Recorder: metrics})
//	http.ListenAndServe("localhost:7878", s)
//
// Every request is checked, limited, answered and, if it fails, explained by the same means, whichever way it came in:
// docs/http.md and docs/errors.md describe them to users. Who may call and what is measured is decided by hooks.
//
// The package listens to nothing, knows no keys and no configuration, and keeps nothing of its own: what it answers comes
// from the database, also after a restart.
package server
