#!/usr/bin/env bash
# Runs the simulator. With a seed it replays that one run and prints its story; without one it runs a number of seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${1:-} seeds=${2:-20}
if [ ! -d internal/sim ]; then
	echo "sim: there is no internal/sim in this tree"
	exit 0
fi
if [ -n "$seed" ]; then
	TIDAL_SEED=$seed go test -count=1 -v -run Sim ./internal/sim
else
	TIDAL_SEEDS=$seeds go test -count=1 -run Sim ./internal/sim
fi
