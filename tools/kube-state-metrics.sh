#!/usr/bin/env bash
# Prints, as the only line on stdout, the path of a kube-state-metrics binary: the one on the PATH, or the cached one, or
# a build from the Go module that kube-state-metrics/go.mod names and kube-state-metrics/go.sum pins.
#
# The cache lies outside the checkout, so that the next clone finds it. It is filled in a folder beside its place and
# moved there when complete, so that what lies in that place is never half made.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/kube-state-metrics" && pwd)
package=k8s.io/kube-state-metrics/v2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/kube-state-metrics
version=$(sed -nE "s#^(require)?[[:space:]]*$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/$version

say() { printf 'kube-state-metrics: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

answer_if_cached() {
	[[ ! -x $place/kube-state-metrics ]] || {
		echo "$place/kube-state-metrics"
		exit
	}
}

go_is_new_enough() {
	local go
	go=$(cd "$here" && go env GOVERSION 2>/dev/null) || return 1
	[[ $go =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 26))
}

# Dies with this script, and takes its compilers with it.
build() {
	cd "$here"
	CGO_ENABLED=0 GOWORK=off GOTMPDIR=$partial setpriv --pdeathsig TERM nice go build -mod=readonly -trimpath \
		-ldflags '-s -w' -o "$partial/complete/kube-state-metrics" "$package" </dev/null >&2 9>&-
}

if on_path=$(command -v kube-state-metrics); then
	echo "$on_path"
	exit
fi
answer_if_cached
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --nonblock 9 || {
	say "another run is at it: waiting for its result"
	flock 9
}
answer_if_cached
go_is_new_enough || die "there is no kube-state-metrics, and no Go 1.26 or newer to build it (https://go.dev/dl)"

# Whoever holds the lock is alone: these are what killed runs left behind.
rm -rf "$place" "$cache"/partial.*
partial=$(mktemp -d "$cache/partial.XXXXXX")
trap 'rm -rf "$partial"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$partial/complete"
say "building $version from source, once (2 to 4 minutes on 2 cores)"
(build) || die "the build failed; nothing was installed"
mv -T "$partial/complete" "$place"
echo "$place/kube-state-metrics"
