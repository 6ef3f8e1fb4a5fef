# The one list of commands. CI runs `make test-all`, which begins with `make test`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help check test test-all e2e tenants other-tests scale other-programs suites beside alone integration doc-tests boto3 \
	demo-test histories dependencies gitops-test cluster-test demo bench crds docs picture control-plane helm flux \
	backend-examples image image-binary release-check clean

STAGE := @tools/stage.sh
# When all began, and a line for each stage that has ended: its name, its outcome, its seconds.
export STAGES := $(CURDIR)/target/stages
DEFINITIONS := sessionexports sessionexportpolicies
CHART := charts/session-export-operator

CARGO_TEST := cargo test --workspace --locked --no-fail-fast
# Optimized, they take half as long, which is worth the slower build.
ALL_HISTORIES := $(CARGO_TEST) --lib --config profile.dev.package.session-export-operator.opt-level=1
WITH_TOOLS := @CONTROL_PLANE_BIN=$$(tools/control-plane/install.sh); HELM=$$(tools/helm.sh); export CONTROL_PLANE_BIN HELM; \
	tools/stage.sh
# Test binaries that take no more than a control plane and Helm, besides e2e and tenants. tests/cluster takes a node; all
# others belong to test-all.
TESTS := $(addprefix --test ,architecture bench chart cli crd docs examples observability simulator supply_chain validation)
OTHER_TESTS := $(addprefix --test ,$(filter-out $(TESTS) e2e tenants scale cluster,$(sort \
	$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))))

# With TEST_ALL, which `make test-all` sets, `make test` does more.
SUITES := e2e tenants $(if $(TEST_ALL),other-tests)
BESIDE := integration doc-tests boto3 demo-test \
	$(if $(TEST_ALL),flux image-binary histories dependencies gitops-test release-check)
ifdef TEST_ALL
tenants: export ALL_CASES := 1
endif
histories: export ALL_CASES := 1

help: ## Lists the commands
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

check: ## The quick loop, a minute: format, lints, names, unit tests
	$(STAGE) "format" cargo fmt --all --check
	$(STAGE) "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
	$(STAGE) "names" tools/one-word-names.sh
	$(if $(TEST_ALL),,$(STAGE) "unit tests" $(CARGO_TEST) --lib)

test: ## check, refusals by a real API server, the real binary end to end, the chart, boto3, the demo. Needs no root
	@tools/stage.sh --begin
	$(STAGE) "control plane's binaries" tools/control-plane/install.sh
	$(STAGE) "helm" tools/helm.sh
	@$(MAKE) --no-print-directory check
	$(STAGE) "build" tools/build.sh
	$(STAGE) "build of the tests" $(CARGO_TEST) --no-run --test e2e --test tenants $(TESTS) \
		$(if $(TEST_ALL),--test cluster --test scale $(OTHER_TESTS))
	$(if $(TEST_ALL),$(STAGE) "build of all histories" $(ALL_HISTORIES) --no-run)
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=line suites beside \
		$(if $(TEST_ALL),&& $(MAKE) --no-print-directory alone) || { tools/stage.sh --table; exit 1; }
	@tools/stage.sh --table
	$(if $(TEST_ALL),,@$(MAKE) --no-print-directory help | sed -nE 's/^ *(make test-all) +/\n\1 adds: /p')

test-all: ## all histories, all batches of hostile objects, dependencies, scripts, an API server's outage, a thousand objects, other tools, Flux, a node, the image, a release, bench
	@TEST_ALL=1 $(MAKE) --no-print-directory test

e2e: ## The end-to-end suite alone: the operator's process, a real API server, the simulator
	$(WITH_TOOLS) "end-to-end tests" $(CARGO_TEST) --test e2e -- --test-threads 12

tenants: ## The suite on tenants that would harm others alone
	$(WITH_TOOLS) "tenants" $(CARGO_TEST) --test tenants -- --test-threads 6

other-tests: scale other-programs

scale:
	$(WITH_TOOLS) "scale" $(CARGO_TEST) --test scale -- --test-threads 4

other-programs:
	$(STAGE) "flux" tools/flux.sh
	$(STAGE) "backend examples" tools/backend-examples.sh
	$(STAGE) "promtool" tools/promtool.sh
	$(STAGE) "kube-state-metrics" tools/kube-state-metrics.sh
	$(WITH_TOOLS) "outages, other programs" $(CARGO_TEST) $(OTHER_TESTS) -- --test-threads 4

# What waits most of the time. One after the other: what tenants do to an API server slows down what the others wait for.
suites:
	@status=0; for suite in $(SUITES); do $(MAKE) --no-print-directory $$suite || status=$$?; done; exit $$status

# What keeps a processor busy while those wait.
beside:
	@nice -n 19 $(MAKE) --no-print-directory $(BESIDE)

# What needs the machine for itself: beside the suites, sessions of a node's story end before a call is sent.
alone:
	@$(MAKE) --no-print-directory cluster-test
	$(STAGE) "image" tools/image-test.sh
	$(STAGE) "control plane's scripts" tools/control-plane/test.sh
	$(STAGE) "helm's script" tools/helm/test.sh
	@QUICK=1 $(MAKE) --no-print-directory bench

integration:
	$(WITH_TOOLS) "other integration tests" $(CARGO_TEST) $(TESTS) -- --test-threads 4

doc-tests:
	$(STAGE) "documentation's examples" $(CARGO_TEST) --doc

boto3:
	$(STAGE) "boto3 against the simulator" simulator/tests/boto3/run.sh

demo-test:
	$(STAGE) "demo" tools/demo.sh

histories:
	$(STAGE) "unit tests with all histories" $(ALL_HISTORIES)

dependencies:
	$(STAGE) "dependencies" tools/cargo-deny.sh

gitops-test:
	$(STAGE) "GitOps tools' verdicts" go -C gitops test -mod=readonly -count=1 ./...

cluster-test: ## The chart and the image on a real node: kubelet, containerd, Pods (Linux, root; with CI=true it must run)
	$(STAGE) "node's scripts" tools/node/scripts-test.sh
	$(STAGE) "chart on a node" tools/node/test.sh

demo: ## One export from `kubectl apply` to the ZIP, without AWS and without a cluster (KEEP=1: leaves it up)
	@tools/demo.sh

# A release build but for LTO. QUICK takes what `make test` has built, and fails if a count has missed its bar.
BENCH := $(if $(QUICK),cargo test,cargo bench --profile measured) --workspace --locked --bench load -- run
BUILD_BENCH := cargo build --workspace --bins --bench load --locked $(if $(QUICK),,--profile measured)

bench: ## Measures it against its limits: an hour and a half. QUICK=1: its counts, 3 min; FULL=1: everything with 10,000
	@CONTROL_PLANE_BIN=$$(tools/control-plane/install.sh); export CONTROL_PLANE_BIN; \
		tools/stage.sh "build" $(BUILD_BENCH); tools/stage.sh "bench" $(BENCH)

crds: ## Writes crds/ from the Rust types, and the chart's copy
	@mkdir -p target crds
	@for definition in $(DEFINITIONS); do \
		cargo run --quiet --locked --bin session-export-operator -- crd $$definition >target/crd.yaml; \
		mv target/crd.yaml crds/sessionexport.dev_$$definition.yaml; \
		cp crds/sessionexport.dev_$$definition.yaml $(CHART)/files/; \
	done

docs: ## Writes what is generated in docs/: metrics.md, configuration.md and the picture of an export's life
	UPDATE_DOCS=1 cargo test --quiet --locked --test observability -- table_of_metrics
	UPDATE_DOCS=1 cargo test --quiet --locked --test docs -- committed

picture: ## Draws docs/images/dashboard.png: the dashboard's queries over a run under load (5 minutes)
	@tools/dashboard-picture.sh

control-plane: ## Gets or builds etcd, kube-apiserver, kube-controller-manager and kubectl, and prints where they are
	@tools/control-plane/install.sh

helm: ## Finds or builds Helm, and prints where it is
	@tools/helm.sh

image: ## Builds the image without a registry, and prints where the archive is (buildah, root)
	@tools/image.sh

image-binary:
	@tools/image.sh --binary

release-check: ## What a release needs no registry for: versions, chart, SBOM, workflows, scripts, manifests; each check broken once
	$(STAGE) "release" tools/release/test.sh

flux: ## Builds Flux's kustomize-controller, and prints where it is
	@tools/flux.sh

backend-examples: ## Makes examples/backend ready to run, and prints where they are
	@tools/backend-examples.sh

clean: ## Removes target/ (the cache of tools in ~/.cache/session-export-operator stays)
	cargo clean
