#!/usr/bin/env bash
# Usage: flux.sh [--cached]
#
# Prints, as the only line on stdout, a folder with Flux as the tests need it: kustomize-controller, and crds/ with the
# definitions of Kustomization and of its sources. From the cache, or built from the Go module that flux/go.mod names and
# flux/go.sum pins; the definitions lie in the modules' sources. With --cached it builds nothing.
#
# The cache lies outside the checkout, so that the next clone finds it. It is filled in a folder beside its place and
# moved there when complete, so that what lies in that place is never half made.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/flux" && pwd)
package=github.com/fluxcd/kustomize-controller
# Of this one nothing is built: the controller needs the definitions of all kinds that it watches.
readonly sources=github.com/fluxcd/source-controller@v1.9.6
readonly sources_sum=h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/flux
version=$(sed -nE "s#^[[:space:]]*(require )?$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/kustomize-controller-$version-source-controller-${sources##*@}
readonly heartbeat=30

say() { printf 'flux: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

answer_if_cached() {
	[[ ! -x $place/kustomize-controller ]] || {
		echo "$place"
		exit
	}
}

# Asked inside the module, so that a Go that can fetch newer toolchains may do so.
go_is_new_enough() {
	local go
	go=$(cd "$here" && go env GOVERSION 2>/dev/null) || return 1
	[[ $go =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 26))
}

go_build() {
	cd "$here"
	CGO_ENABLED=0 GOWORK=off GOTMPDIR=$partial exec setpriv --pdeathsig KILL nice go build -mod=readonly -trimpath \
		-ldflags "-s -w" -o "$partial/complete/kustomize-controller" "$package"
}

# Usage: field NAME. Of the JSON on stdin.
field() { sed -nE "s/^[[:space:]]*\"$1\": \"([^\"]*)\",?\$/\1/p"; }

definitions() {
	local crds=$partial/complete/crds module
	mkdir "$crds"
	module=$(cd "$here" && GOWORK=off go mod download -json "$package" | field Dir)
	cp "$module"/config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml "$crds/"
	local downloaded
	downloaded=$(cd "$partial" && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$sources")
	[[ $(field Sum <<<"$downloaded") == "$sources_sum" ]] || die "$sources is not what it was: $(field Sum <<<"$downloaded")"
	module=$(field Dir <<<"$downloaded")
	cp "$module"/config/crd/bases/source.toolkit.fluxcd.io_*.yaml "$crds/"
	chmod u+w "$crds"/*
}

# In the background and in a process group of its own, so that a signal is answered at once and ends all of it.
build() {
	local start=$SECONDS next=$heartbeat
	say "building kustomize-controller $version from source, once (about 7 minutes on 2 cores)"
	set -m
	go_build </dev/null >&2 9>&- &
	job=$!
	set +m
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.2
		if ((SECONDS - start >= next)); then
			say "building: at it for $((SECONDS - start)) s"
			next=$((next + heartbeat))
		fi
	done
	local finished=$job
	job=
	wait "$finished"
}

clean_up() {
	if [[ -n ${job:-} ]]; then
		kill -- "-$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
		# Its compilers write until they are gone, and what is written to can't be removed.
		while kill -0 -- "-$job" 2>/dev/null; do sleep 0.1; done
	fi
	[[ -z ${partial:-} ]] || rm -rf "$partial"
}

answer_if_cached
[[ ${1:-} != --cached ]] || die "it is not built: run \`make flux\` (once, about 7 minutes on 2 cores)"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --nonblock 9 || {
	say "another run is at it: waiting for its result"
	flock 9
}
answer_if_cached
go_is_new_enough || die "there is no Go 1.26 or newer to build kustomize-controller with. Install it: https://go.dev/dl"

# Whoever holds the lock is alone: these are what killed runs left behind.
rm -rf "$place" "$cache"/partial.*
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
partial=$(mktemp -d "$cache/partial.XXXXXX")
mkdir "$partial/complete"
definitions
build || die "the build failed; nothing was installed"
mv -T "$partial/complete" "$place"
echo "$place"
