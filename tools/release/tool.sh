#!/usr/bin/env bash
# Usage: tool.sh actionlint|cargo-cyclonedx|checkov
#
# Prints, as the only line on stdout, the path of the tool. It is built or installed once, in the version that is pinned
# here, in go.mod or in checkov.txt, and kept in a cache outside the checkout. It is made in a folder beside its place
# and moved there when complete, so that what lies in that place is never half made.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cyclonedx_version=0.5.9

say() { printf '%s: %s\n' "$name" "$*" >&2; }

pinned() { sed -nE "$1" "$here/$2"; }

version() {
	case $name in
	actionlint) pinned 's#.*rhysd/actionlint (v[0-9.]+).*#\1#p' go.mod ;;
	cargo-cyclonedx) echo "$cyclonedx_version" ;;
	# Wheels are of one version of Python.
	checkov) echo "$(pinned 's/^checkov==([0-9.]+).*/\1/p' checkov.txt)-$(python3 -c 'import sys; print("py%d.%d" % sys.version_info[:2])')" ;;
	*) return 1 ;;
	esac
}

# install_into FOLDER: ends with FOLDER/NAME.
install_into() {
	case $name in
	actionlint)
		(cd "$here" && CGO_ENABLED=0 GOWORK=off nice go build -mod=readonly -trimpath -o "$1/" github.com/rhysd/actionlint/cmd/actionlint)
		;;
	cargo-cyclonedx)
		nice cargo install --quiet --locked --version "$cyclonedx_version" --root "$1" --target-dir "$1/target" "$name"
		mv "$1/bin/$name" "$1/"
		rm -rf "$1/target"
		;;
	checkov)
		python3 -m venv "$1/pip"
		"$1/pip/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
			--requirement "$here/checkov.txt" --target "$1/packages"
		rm -rf "$1/pip"
		cat >"$1/checkov" <<-'END'
			#!/bin/sh
			PYTHONPATH=${0%/*}/packages exec python3 -m checkov.main "$@"
		END
		chmod +x "$1/checkov"
		;;
	esac
}

name=${1:?"usage: tool.sh actionlint|cargo-cyclonedx|checkov"}
version=$(version) || {
	say "no such tool"
	exit 2
}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/$name
place=$cache/$version
if [[ ! -x $place/$name ]]; then
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
fi
if [[ ! -x $place/$name ]]; then
	say "installing $version, once"
	# Whoever holds the lock is alone: these are what killed runs left behind.
	rm -rf "$place" "$cache"/partial.*
	partial=$(mktemp -d "$cache/partial.XXXXXX")
	trap 'rm -rf "$partial"' EXIT
	mkdir "$partial/complete"
	install_into "$partial/complete" >&2 9>&-
	mv -T "$partial/complete" "$place"
fi
echo "$place/$name"
