#!/usr/bin/env bash
# Prints, as the only line on stdout, a folder with the CRDs of the Prometheus operator, by which the API server judges
# what the chart renders for it. They lie in the source of its Go module: nothing is built, Go keeps the download.
set -euo pipefail

readonly module=github.com/prometheus-operator/prometheus-operator@v0.75.0
readonly sum=h1:ldUas8b691Pu/DnflWywCQkhRRzB/FKVfZ9EcvzdIo0=

# Usage: field NAME. Of the JSON on stdin.
field() { sed -nE "s/^[[:space:]]*\"$1\": \"([^\"]*)\",?\$/\1/p"; }

# Outside of any module of ours.
downloaded=$(cd / && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$module")
[[ $(field Sum <<<"$downloaded") == "$sum" ]] || {
	echo "prometheus-operator-crds: $module is not what it was: $downloaded" >&2
	exit 1
}
echo "$(field Dir <<<"$downloaded")/example/prometheus-operator-crd"
