#!/usr/bin/env bash
# Runs the simulator. With a seed it replays that run of each kind and prints its story; without one it runs a number of
# seeds of interleavings, a fifth of that number, of 20 simulated seconds each, for one node, and for a group of three 300
# seeds that are always the same and 200 that nobody has run yet, and 153 of three regions, always the same: in seed 224 a region
# whose disk was taken back has lost what nobody else had, in 328 and 531 home forgets that there are others. The fresh ones are printed, to be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${1:-} seeds=${2:-500}
if [ -n "$seed" ]; then
	TIDAL_SEED=$seed go test -count=1 -v -run '^TestInterleaving$' ./internal/sim
	go run ./cmd/tidal sim --nodes 1 --seeds "$seed" --story
	go run ./cmd/tidal sim --nodes 3 --seeds "$seed" --story
	go run ./cmd/tidal sim --regions 3 --seeds "$seed" --story
	exit
fi
# The package comes before the flag: go test doesn't know it.
go test -count=1 -v -run '^(TestInterleaving|TestOneSeedReplaysByteForByte)$' ./internal/sim -sim.seeds="$seeds"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/tidal" ./cmd/tidal
"$bin/tidal" sim --nodes 1 --seeds 1..$((seeds / 5 > 0 ? seeds / 5 : 1)) --seconds 20 --json
"$bin/tidal" sim --nodes 3 --seeds 1..300 --seconds 20 --json
fresh=$(($(date +%s) * 1000))
echo "fresh seeds: --nodes 3 --seeds $fresh..$((fresh + 199)) --seconds 20"
"$bin/tidal" sim --nodes 3 --seeds "$fresh..$((fresh + 199))" --seconds 20 --json
"$bin/tidal" sim --regions 3 --seeds 1..150 --seconds 20 --json
"$bin/tidal" sim --regions 3 --seeds 328 --seconds 20 --json
"$bin/tidal" sim --regions 3 --seeds 531 --seconds 20 --json
"$bin/tidal" sim --regions 3 --seeds 224 --seconds 20 --json
