# make help lists the targets. GO may be set to another toolchain.
GO ?= go
BIN := bin/tocsin

.PHONY: help build demo test soak lint fmt fuzz bench vectors clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

build: ## build bin/tocsin
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/tocsin

demo: build ## five organisations and a hostile node on this machine; leaves them running
	$(BIN) demo

# What lint has vetted is not vetted again before each test.
test: lint ## every check: format, vet, modernisers, staticcheck, all tests, short fuzz, the demo
	$(GO) test -vet=off ./...
	TOCSIN_FLEET=50 $(GO) test -vet=off -run 'Large$$' ./node/nodetest
	$(MAKE) fuzz FUZZTIME=2000x
	$(MAKE) build
	$(BIN) demo --once

soak: ## what takes minutes: the fleet of 50 nodes under a minute of flood
	TOCSIN_FLEET=50 TOCSIN_FLOOD=60s $(GO) test -count=1 -v -timeout 30m -run 'Large$$' ./node/nodetest

lint: ## gofmt, vet, modernisers, staticcheck
	@test -z "$$(gofmt -l . )" || { gofmt -l . ; echo 'run make fmt'; exit 1; }
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(GO) tool staticcheck ./...

fmt: ## format all code
	gofmt -w .

# Every fuzz target of every package, FUZZTIME each. The test run counts inputs
# instead of seconds: at the end of a duration the fuzzer of Go before 1.27 may
# report its own deadline as a failure (go.dev/issue/75804).
FUZZTIME ?= 30s
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@set -e; grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's,/[^/]*:func ,:,' | sort -u | while IFS=: read -r p f; do \
	  echo "fuzz $$p $$f"; $(GO) test -vet=off -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 200x $$p; \
	done

bench: ## limit, reference and product side by side; prints ratios
	$(GO) run ./cmd/bench

vectors: ## make the test vectors of SPEC 11 anew
	$(GO) generate ./protocol

clean: ## remove what build made
	rm -rf bin
