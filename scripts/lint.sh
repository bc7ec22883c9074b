#!/usr/bin/env bash
# Lints with pinned tools, kept in .tools/. The first run builds them, which takes some minutes. With "fix" it first
# formats every file and applies what golangci-lint can repair by itself.
set -euo pipefail
cd "$(dirname "$0")/.."

lint_version=v2.15.0
fumpt_version=v0.12.0
tools=$PWD/.tools

# install NAME PACKAGE VERSION: puts a tool into .tools unless that very version is there.
install() {
	local name=$1 package=$2 version=$3
	if [ -x "$tools/$name" ] && go version -m "$tools/$name" | grep -q $'\tmod\t.*\t'"$version"; then
		return 0
	fi
	echo "lint: installing $name $version"
	# GOFLAGS may hold -mod or -tags for our own module; a tool is built as its authors build it.
	GOFLAGS='' CGO_ENABLED=0 GOBIN=$tools go install "$package@$version"
}

files() { find . -path ./.tools -prune -o -path '*/testdata/*' -prune -o -name '*.pb.go' -o -name '*.connect.go' -o -name '*.go' -print; }

# unformatted COMMAND…: fails if the command, a gofmt, names files.
unformatted() {
	local bad
	bad=$(files | xargs -r "$@" -l)
	if [ -n "$bad" ]; then
		printf 'lint: not formatted by %s:\n%s\n' "$(basename "$1")" "$bad"
		return 1
	fi
}

mkdir -p "$tools"
if install golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "$lint_version" &&
	install gofumpt mvdan.cc/gofumpt "$fumpt_version"; then
	if [ "${1:-}" = fix ]; then
		files | xargs -r "$tools/gofumpt" -w
		"$tools/golangci-lint" run --fix ./... || true
	fi
	unformatted "$tools/gofumpt"
	"$tools/golangci-lint" run ./...
else
	echo "lint: the tools could not be installed (see above); falling back to gofmt and go vet"
	unformatted gofmt
	go vet ./...
fi
echo "lint: clean"
