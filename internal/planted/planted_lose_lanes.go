//go:build planted_lose_lanes

package planted

// LoseLanes forgets at a restart who wrote what, so that retries count again.
const LoseLanes = true
