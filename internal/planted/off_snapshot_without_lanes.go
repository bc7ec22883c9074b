//go:build !planted_snapshot_without_lanes

package planted

// SnapshotWithoutLanes forgets who wrote what when a snapshot is received, so that retries count again.
const SnapshotWithoutLanes = false
