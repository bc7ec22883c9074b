// Package metrics counts and times what a server does, for Prometheus.
//
//	m := metrics.New(metrics.Options{DB: db, Version: version})
//	m.Wrote(metrics.Write{Types: map[string]int{"like": 1}, User: "ada", Took: took, Receipt: receipt})
//	http.Handle("/metrics", promhttp.HandlerFor(m.Registry(), …))
//
// The registry is its own: two servers in one process don't meet. Names, units and labels are listed in docs/metrics.md,
// which a test holds against the registry. No label is ever an id: signal types and profiles come from the schema, routes
// from the server's table, and what is more than a hundred different values becomes "other".
//
// Handles of labels are looked up without a lock and kept, since a request counts several. How much the database holds is
// asked when somebody scrapes. [Reactions] is the one that needs memory: it remembers, for a bounded number of users,
// which signal their next list should show.
package metrics
