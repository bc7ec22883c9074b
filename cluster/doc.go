// Package cluster runs a member of a replicated database within a program.
//
//	m, err := cluster.Start(cluster.Config{Dir: dir, Listen: "10.0.0.1:7400", TLS: config, Schema: s})
//	err = m.Ready(ctx)            // it has caught up, and knows who leads
//	_, err = m.DB().Signal(ctx, x) // at the leader; elsewhere a *tidal.NotLeaderError says where that is
//	err = m.Close(ctx)            // hands leadership over first
//
// Several members, three as a rule, hold the same database. One founds it; the others join by asking, get all that was written
// before, and from then on vote. A write is acknowledged when it is durable at a majority of those who vote; while a majority
// is alive and connected, writes go on. Every member answers reads, of what it has: with a token, or behind
// [github.com/tidaldb/tidal.DB.Latest], of what is asked for.
//
// Such a group is a region, and a database may have several: [Config.RegionJoin] begins one. Every region takes writes and sends
// them to all others; what two of them wrote while they were cut off from each other comes together afterwards. A write is
// acknowledged in its region, or with tidal.AckGeo in one more. [Member.Regions] says how far regions are apart.
//
// Members of all regions meet at the address Listen, with certificates of one CA: a region is trusted as a member is.
//
// The package doesn't find members, start processes or balance load, and a program that embeds it forwards writes by itself:
// tidal serve does so over HTTP. Nor does it place data: every member holds all of it.
package cluster
