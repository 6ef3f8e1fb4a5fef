#!/usr/bin/env bash
# Usage: sbom.sh FILE
#
# Writes what the operator's binary is made of, by Cargo.lock, as CycloneDX JSON. Build dependencies and what other
# systems than Linux compile are left out. The same commit makes the same file.
set -euo pipefail

file=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly name=session-export-operator
tool=$(tools/release/tool.sh cargo-cyclonedx)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A copy, because the tool writes beside every Cargo.toml.
cp --parents -r Cargo.toml Cargo.lock rust-toolchain.toml src simulator/Cargo.toml simulator/src "$work"
# Before anything else: a lock file that doesn't fit is an error here, and would be mended silently below.
tools/release/linked.sh x86_64-unknown-linux-gnu >"$work/linked"
(
	cd "$work"
	SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} "$tool" cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
		--target x86_64-unknown-linux-gnu --override-filename "$name.cdx"
)
python3 tools/release/only_linked.py "$work/$name.cdx.json" "$work/linked" | sed -e "s#$work#/src#g" -e 's#?download_url=file://\.##' >"$file"
