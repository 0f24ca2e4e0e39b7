# Every target does its own set-up. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
NODE := ./node_modules/.bin/node
BIN := ./node_modules/.bin
GROUND_NAME ?= demo
GENERATED := manifests/base/crds charts kube/preflight/grantedrights.ts kube/preflight/installedobjects.ts docs/metrics.md manifests/components/monitoring

need = command -v $(1) >/dev/null 2>&1 || { echo "precision-packer needs $(1): $(2)" >&2; exit 1; }

.PHONY: help setup demo test unit e2e up down run image push kind-image package lint format verify generate prices bench-kube bench-planner bench-extender bench-webhook bench-rebalance bench-doors bench-follow bench-provision soak

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

node_modules/.installed: package.json package-lock.json
	@$(call need,npm,install Node.js 24 or newer with npm)
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

setup: node_modules/.installed

demo: setup ## A real cluster replanned and rebuilt before your eyes; `make down` cleans up
	@$(NODE) e2e/run/main.ts e2e/demo/main.ts --name $(GROUND_NAME)

test: setup ## All tests: types, lint, units, and suites on a cluster of their own; FILES=pattern for some
	@$(NODE) e2e/run/main.ts --files '$(FILES)'

unit: setup ## The tests that need no cluster
	@$(NODE) e2e/run/main.ts --only unit

e2e: setup ## The suites on a cluster; FILES=pattern for some
	@$(NODE) e2e/run/main.ts --only ground --files '$(FILES)'

soak: setup ## The long forms of the fault and fuzz suites
	@SOAK=1 $(NODE) e2e/run/main.ts

up: setup ## A cluster to work with; prints its kubeconfig
	@$(NODE) e2e/run/main.ts e2e/ground/main.ts up --name $(GROUND_NAME)

down: setup ## Ends that cluster and everything that it started
	@$(NODE) e2e/ground/main.ts down --name $(GROUND_NAME)

run: setup ## Our three components as processes against the cluster of KUBECONFIG
	@$(NODE) e2e/run/components/main.ts

image: setup ## The container image, as an OCI archive, without Docker
	@$(NODE) e2e/ground/main.ts image

push: setup ## Image for amd64 and arm64, its list of contents, and the Helm charts, to REGISTRY=registry.example.com/folder
	@$(NODE) e2e/publish/main.ts --registry '$(REGISTRY)' --version '$(VERSION)' --architectures '$(ARCHITECTURES)' --sign-key '$(SIGN_KEY)'

kind-image: setup ## A node image for kind, built without a registry; GROUND=kind uses it where no Docker engine runs
	@$(NODE) e2e/ground/main.ts kind-image

package: setup ## The command line for npx, npm and krew, into dist/; URI=address from which krew will fetch it
	@$(NODE) e2e/package/main.ts --uri '$(URI)'

lint: setup ## Types, lint, format
	@$(BIN)/biome ci --colors=off . && $(BIN)/tsc --noEmit

format: setup ## Puts the format right
	@$(BIN)/biome check --write .

generate: setup ## The files that are made from others
	@$(NODE) api/generate.ts && $(NODE) e2e/rights/generate.ts && $(NODE) e2e/monitoring/generate.ts && $(NODE) e2e/charts/main.ts

prices: setup ## The table of list prices that comes with us, from public Go modules
	@$(call need,go,https://go.dev/dl)
	@$(NODE) cloud/aws/table/make.ts

verify: lint ## Generated files are up to date
	@$(NODE) api/generate.ts && $(NODE) e2e/rights/generate.ts && $(NODE) e2e/monitoring/generate.ts && $(NODE) e2e/charts/main.ts
	@git diff --exit-code -- $(GENERATED) || { echo "$(GENERATED) differ from the schemas in api/, the code or manifests/: run make generate and commit" >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard $(GENERATED))" || { echo "$(GENERATED) have files that are not committed" >&2; exit 1; }

bench-kube: setup ## kube/ beside client-node's informer and Karpenter
	@$(NODE) bench/kube/main.ts

bench-planner: setup ## planner/ beside Karpenter's scheduler
	@$(NODE) bench/planner/main.ts

bench-extender: setup ## extender/ beside kube-scheduler and a Go extender
	@$(NODE) bench/extender/main.ts

bench-webhook: setup ## webhook/ beside a bare echo webhook
	@$(NODE) bench/webhook/main.ts

bench-doors: setup ## Our servers under 100,000 hostile requests of each kind, beside an honest caller
	@$(NODE) bench/doors/main.ts

bench-follow: setup ## Places of bursts on the claims bought for them, simulated, then beside kube-scheduler alone
	@$(NODE) bench/follow/places.ts
	@$(NODE) bench/follow/places.ts --pods 1000
	@$(NODE) bench/follow/main.ts --pods 300 --seed 881

bench-provision: setup ## Bursts bought for by Karpenter's provisioner, and by us beside it
	@$(NODE) bench/provision/main.ts --pods 100

bench-rebalance: setup ## Rebalancing beside Karpenter's own consolidation
	@$(NODE) bench/rebalance/main.ts
