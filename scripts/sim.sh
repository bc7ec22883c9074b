#!/usr/bin/env bash
# Runs the simulator. With a seed it replays that run of each kind and prints its story; without one it runs a number of
# seeds, and a fifth of that number, of 20 simulated seconds each, for one node.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${1:-} seeds=${2:-500}
if [ -n "$seed" ]; then
	TIDAL_SEED=$seed go test -count=1 -v -run '^TestInterleaving$' ./internal/sim
	go run ./cmd/tidal sim --nodes 1 --seeds "$seed" --story
else
	# The package comes before the flag: go test doesn't know it.
	go test -count=1 -v -run '^(TestInterleaving|TestOneSeedReplaysByteForByte)$' ./internal/sim -sim.seeds="$seeds"
	go run ./cmd/tidal sim --nodes 1 --seeds 1..$((seeds / 5 > 0 ? seeds / 5 : 1)) --seconds 20 --json
fi
