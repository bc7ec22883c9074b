#!/usr/bin/env bash
# Proves that the simulator finds mistakes: builds the program with each planted one (internal/planted), and runs seeds
# of a group of three until one of them breaks a promise, and of one node as well for those that one node can have; or seeds of
# three regions for those that take regions.
# Prints the table of docs/simulator.md. A mistake that isn't found fails.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-2000} seconds=${2:-20}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

# What takes a group.
group=" planted_ack_stalled planted_forget_vote planted_keep_conflict planted_snapshot_without_lanes planted_stale_read planted_stamp_early planted_wall_unhide "

# What takes regions.
regions=" planted_drop_returning_tail planted_hide_by_intersection planted_ignore_marks planted_ignore_tie_break planted_keep_both planted_overlap_as_is planted_skip_gap planted_subtract_twice planted_tombstone_early "
missed=0

# find runs seeds with flags that say what runs, and leaves the first that finds the mistake in seed, and why in why.
find() {
	local out
	seed='' why=''
	# One worker: the first seed that finds it is the same on every machine.
	if out=$("$bin/tidal" sim "$@" --workers 1 --minimise 0 --seeds "1..$seeds" --seconds "$seconds" --json 2>/dev/null); then
		seed="**not in $seeds**"
		missed=$((missed + 1))
		return
	fi
	seed=$(sed -n 's/.*"seed":\([0-9]*\),.*/\1/p' <<<"$out")
	why=$(sed -n 's/.*"violation":"seed [0-9]*, at [0-9.]* s: \([^"]*\)".*/\1/p' <<<"$out")
	if [ -z "$seed" ]; then
		printf 'planted: %s ended without a seed: %s\n' "$tag" "$out" >&2
		exit 1
	fi
}

printf '| mistake | one node | group of three | three regions | with |\n|---|---|---|---|---|\n'
# A mistake is a file that only its tag puts in.
tags=$(sed -n "s|^//go:build \\(planted_[a-z_]*\\)\$|\\1|p" internal/planted/planted_*.go | sort -u)
[ -n "$tags" ] || { echo "planted: internal/planted has no mistakes" >&2; exit 1; }
for tag in $tags; do
	CGO_ENABLED=0 go build -tags "$tag" -o "$bin/tidal" ./cmd/tidal
	if [[ $regions == *" $tag "* ]]; then
		find --regions 3
		printf '| `%s` | - | - | %s | %s |\n' "$tag" "$seed" "${why:0:110}"
		continue
	fi
	alone=-
	if [[ $group != *" $tag "* ]]; then
		find --nodes 1
		alone=$seed
	fi
	find --nodes 3
	printf '| `%s` | %s | %s | - | %s |\n' "$tag" "$alone" "$seed" "${why:0:110}"
done
# The store's mistakes once more, on Pebble over disks that crash.
for tag in planted_materialise_without_index planted_lose_lanes; do
	if CGO_ENABLED=0 go test -count=1 -tags "$tag" ./internal/host -run '^TestACrashLosesNothing' >/dev/null 2>&1; then
		printf '| `%s` | **not on Pebble** | | | |\n' "$tag"
		missed=$((missed + 1))
	fi
done
if [ "$missed" -gt 0 ]; then
	echo "planted: $missed mistakes were not found" >&2
	exit 1
fi
