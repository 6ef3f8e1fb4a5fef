#!/usr/bin/env bash
# Usage: backend-examples.sh [--cached]
#
# Prints, as the only line on stdout, a folder with the examples of examples/backend ready to run: bin/python with the
# packages that the Python one needs, and bin/export, which is the Go one. With --cached it builds nothing.
#
# The folder lies in the cache, named by what it is made of. What lies in its place is a link, made when all is complete:
# a virtual environment can't be moved.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$root/examples/backend
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/backend-examples
python=${PYTHON:-python3}

die() {
	printf 'backend examples: %s\n' "$*" >&2
	exit 1
}

made_of=$({
	"$python" --version
	cat "$here"/python/requirements.txt "$here"/go/{main.go,go.mod,go.sum}
} | sha256sum | cut -c1-12)
place=$cache/$made_of

if [[ ${1:-} == --cached && ! -e $place ]]; then
	die "they are not built: run \`make backend-examples\` (once, in about a minute)"
fi
command -v go >/dev/null || die "there is no Go to build the Go one. Install 1.26 or newer: https://go.dev/dl"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ ! -e $place ]]; then
	folder=$place.made
	rm -rf "$folder"
	"$python" -m venv "$folder" >&2
	"$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--requirement "$here/python/requirements.txt" >&2
	(cd "$here/go" && CGO_ENABLED=0 GOWORK=off nice go build -mod=readonly -o "$folder/bin/export" .) >&2
	ln -s "$folder" "$place"
fi
echo "$place"
