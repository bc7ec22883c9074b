// Package fleet runs the servers of a database as processes of their own on this machine, does to them what happens to
// servers, and finds out whether they kept their word.
//
//	f, err := fleet.Start(ctx, fleet.Options{Dir: dir, Nodes: 3, Program: program})
//	defer f.Close()
//	load := fleet.StartLoad(ctx, fleet.LoadOptions{Addrs: f.URLs(), Writers: 8})
//	leader, err := f.Leader(ctx)
//	leader.Kill()
//	…
//	ledger, err := load.Stop(ctx)
//	verdict, err := f.Compare(ctx, ledger)
//
// [StartWorld] runs several regions, a fleet each, between which the network can be cut.
//
// It is for benchmarks and for the tests in the folder test, and knows the servers by what everybody can see of them:
// their command line, their HTTP interface, and package client. What was acknowledged is written down on the clients'
// side; [Fleet.Compare] asks each server for its log and its counts. Nothing waits for a while: it waits for what is meant,
// until the context ends.
package fleet
