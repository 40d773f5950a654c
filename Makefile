# Every target with a `##` comment is listed by `make help`.

# Where `make run` listens. Override on the command line: make run PORT=8081
PORT         = 8080
ADMIN_PORT   = 2019
BROKER1_PORT = 9101
BROKER2_PORT = 9102
RUN_DIR      = .run

# How long `make fuzz` spends on each target, and which benchmarks `make microbench` runs how often.
FUZZTIME = 30s
BENCH    = .
COUNT    = 6

# What `make bench` compares (SideBySide, Instances), in how many rounds, and how long each measurement takes.
COMPARE      = .
BENCH_ROUNDS = 7
BENCH_LENGTH = 1s

# How long `make chaos` has things go wrong, the seed of what does (a number, or random, which prints one), and the Redis
# that they go wrong with: sentinel or single.
CHAOS_DURATION = 10m
CHAOS_SEED     = random
CHAOS_REDIS    = sentinel

GO       = go
GO_TOOL  = $(GO) tool -modfile=tools.mod

.DEFAULT_GOAL := help

.PHONY: run
run: ## start the gateway and two sample brokers; Ctrl-C stops them
	@$(GO) build -buildvcs=false -o bin/dev/demo ./scripts/demo
	@exec bin/dev/demo -go '$(GO)' -port '$(PORT)' -admin-port '$(ADMIN_PORT)' \
		-broker1-port '$(BROKER1_PORT)' -broker2-port '$(BROKER2_PORT)' -dir '$(RUN_DIR)'

.PHONY: build
build: ## build bin/caddy, with xcaddy where it is installed
	@$(GO) run ./scripts/build -o bin/caddy

.PHONY: test
test: redis prometheus ## run every test, the end-to-end tests included
	$(GO) test -timeout 20m ./...
	cd test/ibmsdk && $(GO) test ./...

.PHONY: race
race: redis prometheus ## run every test with the race detector
	$(GO) test -race -timeout 40m ./...

.PHONY: e2e
e2e: redis prometheus ## run the end-to-end tests alone
	$(GO) test -count=1 -timeout 20m ./test/...

.PHONY: chaos
chaos: redis ## let everything go wrong for CHAOS_DURATION and look for lost instances (docs/testing.md)
	CHAOS_DURATION='$(CHAOS_DURATION)' CHAOS_SEED='$(CHAOS_SEED)' CHAOS_REDIS='$(CHAOS_REDIS)' \
		$(GO) test -count=1 -timeout 60m -run '^TestChaos$$' -v ./test/chaos

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME, one after the other
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' scripts/fuzz

.PHONY: bench
bench: redis ## measure the gateway beside reverse_proxy and respond (docs/testing.md)
	BENCH_ROUNDS='$(BENCH_ROUNDS)' BENCH_LENGTH='$(BENCH_LENGTH)' \
		$(GO) test -run '^$$' -bench '$(COMPARE)' -benchtime 1x -timeout 60m ./test/bench ./test/telemetry

.PHONY: microbench
microbench: ## run the benchmarks BENCH of the packages, COUNT times each, and summarise them
	@mkdir -p bin
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count '$(COUNT)' \
		$$($(GO) list ./... | grep -v /test/) >bin/bench.txt || { cat bin/bench.txt; exit 1; }
	@$(GO_TOOL) benchstat bin/bench.txt

.PHONY: lint
lint: ## check formatting, go.mod, vet and the linters
	@unformatted=$$($(GO_TOOL) gofumpt -l .) || exit 1; test -z "$$unformatted" || \
		{ echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	cd test/ibmsdk && $(GO) mod tidy -diff && $(GO) vet ./...
	$(GO_TOOL) golangci-lint run

.PHONY: fmt
fmt: ## format all Go files
	@$(GO_TOOL) golangci-lint fmt

.PHONY: cover
cover: redis prometheus ## run every test and write coverage.out and coverage.html
	$(GO) test -timeout 30m -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -html=coverage.out -o coverage.html
	@$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: clean
clean: ## remove everything that the other targets made
	rm -rf bin .run coverage.out coverage.html

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":[^#]*## " } /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

.PHONY: redis
redis:
	@scripts/need redis-server redis redis-server

.PHONY: prometheus
prometheus:
	@scripts/need prometheus prometheus prometheus promtool
