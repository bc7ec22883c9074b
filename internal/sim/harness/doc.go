// Package harness runs a whole cluster of regions in one process, on one thread and in virtual time: what acceptance tests and
// benchmarks of replication are written with.
//
//	c, err := harness.Build(harness.Config{Regions: []string{"us-east", "eu-west", "ap-south"}})
//	_, err = c.WriteSignal("us-east", harness.Signal{Item: "song", Type: "view"})
//	took, err := c.AwaitConvergence(time.Second)
//	score, err := c.ReadDecayScore("eu-west", "song", "view")
//
// A [SimulatedCluster] has regions × shards × replicas. Each shard of a region is a group with a log of its own, made of the
// same parts as a real one; the parts' disks are in memory, and what they send travels by a virtual clock that moves when
// somebody waits. [SimulatedCluster.Partition] cuts regions off from each other until it is released, [SimulatedCluster.Crash]
// ends the primary of a shard for good.
//
// The same configuration and calls give the same steps. Disks, clocks and networks don't fail here, other than by these two:
// package sim is where everything goes wrong. Nothing here starts a goroutine, and a cluster isn't safe for concurrent use.
package harness
