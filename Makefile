# make test    everything, on the real services, with the race detector
# make lint    gofmt, vet, staticcheck, current documentation
# make bench   the benchmark table of the README
# make bench-gateway   dfsctl serve beside nginx, Caddy and net/http, with wrk
# make build   bin/dfsctl, static
# make dist    dfsctl for every supported platform

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
VERSITYGW   := github.com/versity/versitygw/cmd/versitygw@v1.8.0
GOBIN       := $(shell $(GO) env GOPATH)/bin
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD       := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
PLATFORMS   := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

.PHONY: test lint bench bench-gateway build dist docs services clean

test: services
	DFS_TEST_SERVICES=required $(GO) test -race -timeout 20m ./...

# services installs what the tests need and what is missing, as root on Debian.
services:
	./scripts/install-services "$(VERSITYGW)"

lint:
	@unformatted="$$(gofmt -l .)"; test -z "$$unformatted" || { echo "gofmt wants:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./internal/docgen -check

# docs writes the tables of the README that come from the source.
docs:
	$(GO) run ./internal/docgen

bench-gateway: services
	DFS_BENCH=1 DFS_TEST_SERVICES=required $(GO) test -count 1 -run 'Table|Connections' -timeout 30m -v ./internal/gatewaybench

bench: services
	DFS_TEST_SERVICES=required $(GO) run ./internal/benchtable

build:
	$(BUILD) -o bin/dfsctl ./cmd/dfsctl

dist:
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; \
		echo "dist/dfsctl-$$os-$$arch"; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o dist/dfsctl-$$os-$$arch ./cmd/dfsctl; \
	done

clean:
	rm -rf bin dist
