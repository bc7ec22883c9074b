#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given (10s).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
count=0
while IFS=: read -r file target; do
	count=$((count + 1))
	echo "fuzz: $(dirname "$file") $target for $time"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")"
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' --exclude-dir=.tools . |
	sed -E 's#^\./##; s#func (Fuzz[A-Za-z0-9_]+)\(#\1#' | sort)
echo "fuzz: $count targets"
[ "$count" -gt 0 ]
