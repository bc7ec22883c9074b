# Every target does its own set-up. Go fetches modules by itself; tools land in .tools/ and stay there.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
FUZZTIME    ?= 10s
SEEDS       ?= 500
ROWS        ?= 5000000
KILLS       ?= 50
BENCHTIME   ?= 1s
PKG         ?= ./...
RUNS        ?= 1
# The suites of replication between regions: CI runs them five times in a row when they change (.github/workflows).
REPLICATION := ./internal/ship ./internal/reconcile ./internal/sim/harness
export CGO_ENABLED ?= 0

.PHONY: build test race lint proto replication sim planted kills processes fuzz bench drift full help
.DEFAULT_GOAL := help

build: ## bin/tidal, and everything else compiles
	$(GO) build ./...
	mkdir -p bin
	if [ -d cmd/tidal ]; then $(GO) build -trimpath -o bin/tidal ./cmd/tidal; fi

test: ## vet, all tests, and golden bytes under other CPU settings
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...
	@command -v redis-server >/dev/null || \
		echo "skipped: the tests of tidal bench beside Redis; redis-server isn't installed (apt-get install redis-server)"
	@command -v python3 >/dev/null || echo "skipped: the example in Python; python3 isn't installed (apt-get install python3)"
	@{ command -v node && test -e examples/typescript/node_modules; } >/dev/null || \
		echo "skipped: the example in TypeScript; it needs node, 20 or later, and npm ci --prefix examples/typescript"
	scripts/golden.sh

race: ## all tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 20m $(PKG)

lint: ## golangci-lint and gofumpt, else gofmt and vet; FIX=1 repairs what it can
	scripts/lint.sh $(if $(FIX),fix)

proto: ## the code of the network interface, from the files in proto/; the first run builds buf
	$(GO) tool -modfile=tools/go.mod buf lint
	$(GO) tool -modfile=tools/go.mod buf generate

replication: ## the suites of replication between regions, with their figures; RUNS=n repeats them
	$(GO) test -count=$(RUNS) $(REPLICATION)
	@$(GO) test -count=1 -v -run '^Test(ASignalIsVisible|AFollowerLeads|APartitionIsReconciled|ASession|TenThousandEvents)' ./internal/sim/harness ./internal/host ./internal/bench > $@.out; \
		code=$$?; grep -E '^ +[a-z_]+\.go|^(ok|FAIL|---)' $@.out; rm -f $@.out; exit $$code

sim: ## simulated clusters; SEED=n replays one, SEEDS=n runs that many
	scripts/sim.sh "$(SEED)" "$(SEEDS)"

planted: ## the simulator finds every planted mistake; takes minutes
	scripts/planted.sh

kills: build ## an import of ROWS (5000000) rows, killed KILLS (50) times; takes minutes
	bin/tidal bench kills --rows $(ROWS) --kills $(KILLS) --json

processes: ## three real servers, killed, stopped, cut off and starved, at length; takes an hour
	$(GO) test ./test -long -timeout 3h -v

fuzz: ## every fuzz target for FUZZTIME (10s)
	scripts/fuzz.sh "$(FUZZTIME)"

bench: ## Go benchmarks of PKG (all), each for BENCHTIME (1s)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(PKG)

drift: ## the shape of the tree: sizes, exports, documentation
	@$(GO) run ./internal/house/drift

full: ## everything above with long settings: what runs before a release
	$(MAKE) build test race lint
	$(MAKE) sim SEEDS=5000
	$(MAKE) planted
	$(MAKE) kills
	$(MAKE) processes
	$(MAKE) fuzz FUZZTIME=2m
	$(MAKE) bench drift

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
