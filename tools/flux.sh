#!/usr/bin/env bash
# Usage: flux.sh [--cached]
#
# Prints, as the only line on stdout, a folder with Flux as the tests need it: kustomize-controller, and crds/ with the
# definitions of Kustomization and of its sources. From the cache, or built from the Go module that flux/go.mod names and
# flux/go.sum pins; the definitions lie in the modules' sources. With --cached it builds nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/flux" && pwd)
package=github.com/fluxcd/kustomize-controller
# Of this one nothing is built: the controller needs the definitions of all kinds that it watches.
readonly sources=github.com/fluxcd/source-controller@v1.9.6
readonly sources_sum=h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/flux
version=$(sed -nE "s#^[[:space:]]*(require )?$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/kustomize-controller-$version-source-controller-${sources##*@}
complete=$place/kustomize-controller
answer=$place
name=flux
# shellcheck source=tools/cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

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

answer_if_cached
[[ ${1:-} != --cached ]] || die "it is not built: run \`make flux\` (once, about 7 minutes on 2 cores)"
lock_cache
go_is_new_enough || die "there is no Go 1.26 or newer to build kustomize-controller with. Install it: https://go.dev/dl"

begin_to_fill
definitions
say "building kustomize-controller $version from source, once (about 7 minutes on 2 cores)"
go_build "-s -w" "$package" || die "the build failed; nothing was installed"
finish
