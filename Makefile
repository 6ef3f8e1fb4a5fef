# The one list of commands; CI runs `make test`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help check test e2e demo bench crds docs picture control-plane helm flux backend-examples image release-check clean

STAGE := @tools/stage.sh
CRD := crds/sessionexport.dev_sessionexports.yaml
CHART := charts/session-export-operator

help: ## Lists the commands
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

check: ## The quick loop: format, lints, unit tests
	$(STAGE) "format" cargo fmt --all --check
	$(STAGE) "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
	$(STAGE) "unit tests" cargo test --workspace --lib --bins --locked

test: ## Everything: check, dependencies, scripts, a real control plane, a node, bench (counts), boto3, the demo
	$(STAGE) "control plane's binaries" tools/control-plane/install.sh
	$(STAGE) "helm" tools/helm.sh
	$(STAGE) "flux" tools/flux.sh
	$(STAGE) "backend examples" tools/backend-examples.sh
	$(STAGE) "promtool" tools/promtool.sh
	$(STAGE) "kube-state-metrics" tools/kube-state-metrics.sh
	@$(MAKE) --no-print-directory check
	$(STAGE) "dependencies" tools/cargo-deny.sh
	$(STAGE) "control plane's scripts" tools/control-plane/test.sh
	$(STAGE) "build" cargo build --workspace --locked
	@CONTROL_PLANE_BIN=$$(tools/control-plane/install.sh); HELM=$$(tools/helm.sh); export CONTROL_PLANE_BIN HELM; \
		tools/stage.sh "integration tests" cargo test --workspace --locked --no-fail-fast --test '*' -- --test-threads 4
	@$(MAKE) --no-print-directory e2e
	$(STAGE) "GitOps tools' verdicts" go -C gitops test -mod=readonly -count=1 ./...
	@QUICK=1 $(MAKE) --no-print-directory bench
	$(STAGE) "documentation's examples" cargo test --workspace --locked --doc
	$(STAGE) "boto3 against the simulator" simulator/tests/boto3/run.sh
	$(STAGE) "demo" tools/demo.sh
	$(STAGE) "image" tools/image-test.sh
	@$(MAKE) --no-print-directory release-check

e2e: ## The chart and the image on a real node: kubelet, containerd, Pods (Linux, root; with CI=true it must run)
	$(STAGE) "node's scripts" tools/node/scripts-test.sh
	$(STAGE) "chart on a node" tools/node/test.sh

demo: ## One export from `kubectl apply` to the ZIP, without AWS and without a cluster (KEEP=1: leaves it up)
	@tools/demo.sh

# A release build but for LTO. QUICK takes what `make test` has built, and fails if a count has missed its bar.
BENCH := $(if $(QUICK),cargo test,cargo bench --profile measured) --workspace --locked --bench load -- run
BUILD_BENCH := cargo build --workspace --bins --bench load --locked $(if $(QUICK),,--profile measured)

bench: ## Measures it against its limits: half an hour. QUICK=1: its counts, 3 min; FULL=1: everything with 10,000
	@CONTROL_PLANE_BIN=$$(tools/control-plane/install.sh); export CONTROL_PLANE_BIN; \
		tools/stage.sh "build" $(BUILD_BENCH); tools/stage.sh "bench" $(BENCH)

crds: ## Writes crds/ from the Rust types, and the chart's copy
	@mkdir -p target $(dir $(CRD))
	cargo run --quiet --locked --bin session-export-operator -- crd >target/crd.yaml
	mv target/crd.yaml $(CRD)
	cp $(CRD) $(CHART)/files/

docs: ## Writes docs/metrics.md from the metrics' registry
	UPDATE_DOCS=1 cargo test --quiet --locked --test observability -- table_of_metrics

picture: ## Draws docs/images/dashboard.png: the dashboard's queries over a run under load (5 minutes)
	@tools/dashboard-picture.sh

control-plane: ## Gets or builds etcd, kube-apiserver, kube-controller-manager and kubectl, and prints where they are
	@tools/control-plane/install.sh

helm: ## Finds or builds Helm, and prints where it is
	@tools/helm.sh

image: ## Builds the image without a registry, and prints where the archive is (buildah, root)
	@tools/image.sh

release-check: ## What a release needs no registry for: versions, chart, SBOM, workflows, scripts, manifests; each check broken once
	$(STAGE) "release" tools/release/test.sh

flux: ## Builds Flux's kustomize-controller, and prints where it is
	@tools/flux.sh

backend-examples: ## Makes examples/backend ready to run, and prints where they are
	@tools/backend-examples.sh

clean: ## Removes target/ (the cache of tools in ~/.cache/session-export-operator stays)
	cargo clean
