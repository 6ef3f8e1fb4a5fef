#!/usr/bin/env bash
# Prints, as the only line on stdout, the path of a kube-state-metrics binary: the one on the PATH, or the cached one, or
# a build from the Go module that kube-state-metrics/go.mod names and kube-state-metrics/go.sum pins.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/kube-state-metrics" && pwd)
package=k8s.io/kube-state-metrics/v2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/kube-state-metrics
version=$(sed -nE "s#^(require)?[[:space:]]*$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/$version
complete=$place/kube-state-metrics
answer=$complete
name=kube-state-metrics
# shellcheck source=tools/cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

if on_path=$(command -v kube-state-metrics); then
	echo "$on_path"
	exit
fi
answer_if_cached
lock_cache
go_is_new_enough || die "there is no kube-state-metrics, and no Go 1.26 or newer to build it (https://go.dev/dl)"

begin_to_fill
say "building $version from source, once (2 to 4 minutes on 2 cores)"
go_build "-s -w" "$package" || die "the build failed; nothing was installed"
finish
