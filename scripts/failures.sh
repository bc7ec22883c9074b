#!/usr/bin/env bash
# Says why a command failed, in a few lines, from all that it has printed: the tests that failed with their first lines, panics,
# data races, what doesn't compile and what a linter found. Where there is nothing of that it's the last lines. Who looks at the end
# of a long log sees the reason.
#
#   scripts/failures.sh LOG
set -euo pipefail

names=$(grep -E '^ *--- FAIL: |^FAIL'$'\t' "$1" | cut -c1-120 | tail -n 15 || true)
why=$(awk '
	# Of a test that failed these are its first and its last messages, in front of the logs of servers that it shows: a test that tells
	# much comes to its reason last. A message is a line that names its place, with two more at most.
	function tell(   i) {
		if (!told) return
		for (i = 0; i < n; i++)
			if (n <= 9 || i < 2 || i >= n - 7) print lines[i]
			else if (i == 2) print "    …"
		told = n = 0
	}
	# begin prints a line, and lets so many follow.
	function begin(k) { tell(); print substr($0, 1, 240); keep = k }
	/^(ok|\? ) / || /^=== / || /^FAIL/ { tell(); keep = 0; next }
	/^ *--- FAIL: / { begin(0); told = 1; quiet = n = 0; next }
	/^panic: |^fatal error: |^SIGQUIT|Failing input written/ { begin(10); next }
	/^WARNING: DATA RACE/ { begin(7); next }
	/^[^ \t]+\.go:[0-9]+(:[0-9]+)?: / { begin(0); next }
	/^make: \*\*\* |^lint: |: command not found/ { begin(1); next }
	keep > 0 { print substr($0, 1, 240); keep--; next }
	told && /^ +[A-Za-z0-9_]+\.go:[0-9]+: / { quiet = quiet || /: --- node /; more = 3 }
	told && !quiet && more > 0 { lines[n++] = substr($0, 1, 240); more-- }
	END { tell() }
' "$1" | head -n 48)
if [ -n "$names$why" ]; then
	printf '%s\n' "$why" "$names"
else
	tail -n 20 "$1"
fi
