#!/usr/bin/env bash
# Prints the packages that start goroutines, in their code or their tests: the ones for the race detector. What only computes
# has nothing to race for, and takes ten times as long under it; it runs there as a part of those that use it.
set -euo pipefail
cd "$(dirname "$0")/.."
go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r path dir; do
	if grep -lEq '^[[:space:]]*go [A-Za-z_.]+[({]|^[[:space:]]*go func|\.Go\(|t\.Parallel\(|synctest\.' "$dir"/*.go; then echo "$path"; fi
done
