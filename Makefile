# make help lists the targets. GO may be set to another toolchain.
GO ?= go
BIN := bin/tocsin

# One configuration for every step, so that none compiles again what another has compiled.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath

.PHONY: help build demo test tools soak lint fmt fuzz bench vectors clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

build: ## build bin/tocsin
	$(GO) build -o $(BIN) ./cmd/tocsin

demo: build ## five organisations and a hostile node on this machine; leaves them running
	$(BIN) demo

# What lint has vetted is not vetted again before each test. The rigs run in their
# short forms as tests of cmd/rig.
test: tools lint ## every check: format, vet, modernisers, staticcheck, all tests, short fuzz, the demo
	NODETEST_FLEET=50 $(GO) test -vet=off ./...
	$(MAKE) fuzz FUZZTIME=2000x FUZZGUIDE=
	$(MAKE) build
	$(BIN) demo --once

# What the tests of deploy/monitoring run. RUNLEVEL keeps the package from starting a service. Where it cannot be had
# the tests say that they checked nothing.
tools: ## install promtool and prometheus where they are missing (Debian, as root)
	@command -v promtool >/dev/null && command -v prometheus >/dev/null || \
	  { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus; } || \
	  echo 'promtool and prometheus are missing: alerts and dashboards are not checked'

soak: build ## what takes an hour: the long form of each rig, the fleet of 50 nodes under a minute of flood
	NODETEST_FLEET=50 NODETEST_FLOOD=60s $(GO) test -vet=off -count=1 -v -timeout 30m -run TestK1StolenNodeKey ./node/nodetest
	RECON_ROUNDS=10000 $(GO) test -vet=off -count=1 -v -run 'TestRounds$$' ./protocol/recon
	$(GO) run ./cmd/rig --long --bin $(BIN) all

# From empty caches everything is compiled and looked at here, dependencies too, and a fifth of that is collecting garbage.
lint: export GOGC := $(or $(GOGC),400)
lint: ## gofmt, vet, modernisers, staticcheck
	@test -z "$$(gofmt -l . )" || { gofmt -l . ; echo 'run make fmt'; exit 1; }
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(GO) tool staticcheck ./...

fmt: ## format all code
	gofmt -w .

# Every fuzz target of every package, FUZZTIME each. The test run counts inputs
# instead of seconds: at the end of a duration the fuzzer of Go before 1.27 may
# report its own deadline as a failure (go.dev/issue/75804). A package is linked once for
# all of its targets, two packages at a time, and two targets run at a time. What was found interesting is kept where go test -fuzz keeps it, too; files lie in memory where there is such a place.
# FUZZGUIDE builds the targets so that the fuzzer sees which code an input reached. For that everything is
# compiled once more, all dependencies too, which takes longer than all tests: the test run goes without.
FUZZTIME ?= 30s
FUZZGUIDE ?= -fuzz=.
FUZZBIN := bin/fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@mkdir -p $(FUZZBIN)
	@grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | \
	  xargs -P2 -I{} sh -c '$(GO) test -vet=off -c -ldflags="-s -w" $(FUZZGUIDE) -o $(FUZZBIN)/$$(echo {} | tr ./ _).test {}'
	@bin=$$PWD/$(FUZZBIN); cache=$$($(GO) env GOCACHE)/fuzz; export bin cache; \
	grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's,/[^/]*:func , ,' | sort -u | xargs -P2 -L1 sh -c ' \
	  echo "fuzz $$0 $$1"; cd $$0 && TMPDIR=$(firstword $(wildcard /dev/shm) /tmp) $$bin/$$(echo $$0 | tr ./ _).test -test.run "^$$" -test.fuzz "^$$1$$" -test.fuzztime $(FUZZTIME) \
	    -test.parallel 1 -test.fuzzminimizetime 200x -test.fuzzcachedir $$cache/tocsin/$${0#./} || exit 255'

bench: ## limit, reference and product side by side; prints ratios
	$(GO) run ./cmd/bench

vectors: ## make the test vectors of SPEC 11 anew
	$(GO) generate ./protocol

clean: ## remove what build made
	rm -rf bin
