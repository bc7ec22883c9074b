#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given (10s). A package's targets are one program, which is
# built once; go test would link it for each of them.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
count=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out binary=$dir/fuzz.test
# Where go test keeps inputs that were worth keeping, by package.
kept=$(go env GOCACHE)/fuzz module=$(go list -m)

# fuzz PACKAGE TARGET: a target says "context deadline exceeded" and fails when its workers are in the middle of an input
# as the time runs out, which a loaded machine makes likely. Then, and only then, nothing was found: a finding is a
# failing input, which it names.
fuzz() {
	if (cd "$1" && "$binary" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.timeout 20m \
		-test.fuzzcachedir "$kept/$module/$1") >"$out" 2>&1; then
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

built=
while IFS=: read -r file target; do
	count=$((count + 1))
	package=$(dirname "$file")
	if [ "$package" != "$built" ]; then
		go test -c -fuzz . -o "$binary" "./$package"
		built=$package
	fi
	echo "fuzz: $package $target for $time"
	fuzz "$package" "$target"
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' --exclude-dir=.tools . |
	sed -E 's#^\./##; s#func (Fuzz[A-Za-z0-9_]+)\(#\1#' | sort)
echo "fuzz: $count targets"
[ "$count" -gt 0 ]
