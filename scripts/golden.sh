#!/usr/bin/env bash
# Runs the golden tests under the CPU settings that could change what a compiler makes of arithmetic. The bytes must
# be the same under each: replicas of one cluster run on different machines.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
for p in internal/fixed internal/algebra internal/sim; do
	if [ -d "$p" ]; then packages+=("./$p"); fi
done
if [ ${#packages[@]} -eq 0 ]; then
	echo "golden: no package with golden bytes"
	exit 0
fi
if [ "$(go env GOHOSTARCH)" != amd64 ]; then
	echo "golden: skipped, the settings are those of amd64 and this is $(go env GOHOSTARCH)"
	exit 0
fi

golden() {
	echo "golden: $*"
	env "$@" go test -count=1 -vet=off -run Golden "${packages[@]}"
}

golden GOAMD64=v1
if grep -qw avx2 /proc/cpuinfo 2>/dev/null && grep -qw bmi2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
	golden GOAMD64=v3
else
	echo "golden: GOAMD64=v3 skipped, this CPU lacks avx2, bmi2 or fma"
fi
golden GOAMD64=v1 GODEBUG=cpu.fma=off
