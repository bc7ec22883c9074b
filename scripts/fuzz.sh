#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given (10s).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
count=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# fuzz PACKAGE TARGET: go test says "context deadline exceeded" and fails when its workers are in the middle of an input
# as the time runs out, which a loaded machine makes likely. Then, and only then, nothing was found: a finding is a
# failing input, which it names.
fuzz() {
	if go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" >"$out" 2>&1; then
		grep -v '^fuzz: elapsed: .*gathering' "$out" || true
		return 0
	fi
	cat "$out"
	if grep -q '^    context deadline exceeded$' "$out" && ! grep -qE 'Failing input|panic:|^\s+testing\.go' "$out"; then
		echo "fuzz: $2: time ran out in the middle of an input; nothing was found"
		return 0
	fi
	return 1
}

while IFS=: read -r file target; do
	count=$((count + 1))
	echo "fuzz: $(dirname "$file") $target for $time"
	fuzz "./$(dirname "$file")" "$target"
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' --exclude-dir=.tools . |
	sed -E 's#^\./##; s#func (Fuzz[A-Za-z0-9_]+)\(#\1#' | sort)
echo "fuzz: $count targets"
[ "$count" -gt 0 ]
