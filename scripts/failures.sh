#!/usr/bin/env bash
# Says why a command failed, in a few lines, from all that it has printed: the tests that failed with their first lines, panics,
# data races, what doesn't compile and what a linter found. Where there is nothing of that it's the last lines. Who looks at the end
# of a long log sees the reason.
#
#   scripts/failures.sh LOG
set -euo pipefail

names=$(grep -E '^ *--- FAIL: |^FAIL'$'\t' "$1" | cut -c1-120 | tail -n 15 || true)
why=$(awk '
	# begin prints a line, and lets so many follow.
	function begin(n) { print substr($0, 1, 240); keep = n }
	/^(ok|\?) / || /^=== / || /^FAIL/ { keep = 0; next }
	/^ *--- FAIL: / { begin(6); next }
	/^panic: |^fatal error: |^SIGQUIT|Failing input written/ { begin(10); next }
	/^WARNING: DATA RACE/ { begin(7); next }
	/^[^ \t]+\.go:[0-9]+(:[0-9]+)?: / { begin(0); next }
	/^make: \*\*\* |^lint: |: command not found/ { begin(1); next }
	keep > 0 { print substr($0, 1, 240); keep-- }
' "$1" | head -n 36)
if [ -n "$names$why" ]; then
	printf '%s\n' "$why" "$names"
else
	tail -n 20 "$1"
fi
