#!/usr/bin/env bash
# Runs the simulator. With a seed it replays that one run and prints its story; without one it runs a number of seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${1:-} seeds=${2:-500}
if [ -n "$seed" ]; then
	TIDAL_SEED=$seed go test -count=1 -v -run '^TestInterleaving$' ./internal/sim
else
	# The package comes before the flag: go test doesn't know it.
	go test -count=1 -v -run '^(TestInterleaving|TestOneSeedReplaysByteForByte)$' ./internal/sim -sim.seeds="$seeds"
fi
