package sim

// ClusterTotals are the reports of many runs of a group, added up. They are exchanged as JSON by processes that share
// the work.
type ClusterTotals struct {
	Seeds, Violations        uint64
	Ops, Acked, Refused      uint64
	Unknown, Reads, Strong   uint64
	Crashes, Restarts        uint64
	Checkpoints, Released    uint64
	Snapshots, Leaders       uint64
	Joined, Removed          uint64
	Packets, Lost            uint64
	Entries, Events, Records uint64
	Simulated                int64 // nanoseconds
	Faults                   ClusterFaults
	Regions                  RegionCounts
}

// Count adds the report of one run.
func (t *ClusterTotals) Count(r *ClusterReport) {
	t.Add(ClusterTotals{
		Seeds: 1, Ops: r.Ops, Acked: r.Acked, Refused: r.Refused, Unknown: r.Unknown, Reads: r.Reads, Strong: r.Strong,
		Crashes: r.Crashes, Restarts: r.Restarts, Checkpoints: r.Checkpoints, Released: r.Released,
		Snapshots: r.Snapshots, Leaders: r.Leaders, Joined: r.Joined, Removed: r.Removed, Packets: r.Packets,
		Lost: r.Lost, Entries: uint64(r.Entries), Events: uint64(r.Events), Records: uint64(r.Records),
		Simulated: r.Simulated, Faults: r.Faults, Regions: r.Regions,
	})
}

// Add adds other totals.
func (t *ClusterTotals) Add(o ClusterTotals) {
	t.Seeds += o.Seeds
	t.Violations += o.Violations
	t.Ops += o.Ops
	t.Acked += o.Acked
	t.Refused += o.Refused
	t.Unknown += o.Unknown
	t.Reads += o.Reads
	t.Strong += o.Strong
	t.Crashes += o.Crashes
	t.Restarts += o.Restarts
	t.Checkpoints += o.Checkpoints
	t.Released += o.Released
	t.Snapshots += o.Snapshots
	t.Leaders += o.Leaders
	t.Joined += o.Joined
	t.Removed += o.Removed
	t.Packets += o.Packets
	t.Lost += o.Lost
	t.Entries += o.Entries
	t.Events += o.Events
	t.Records += o.Records
	t.Simulated += o.Simulated
	t.Faults.Add(o.Faults)
	t.Regions.Add(o.Regions)
}
