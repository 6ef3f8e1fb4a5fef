#!/usr/bin/env bash
# Prints, as the only line on stdout, the path of a Helm binary. The first of these that works:
#
#   1. helm on the PATH, from 3.18 on
#   2. the cache
#   3. a build from the Go module that helm/go.mod names and helm/go.sum pins
#
# The cache lies outside the checkout, so that the next clone finds it. It is filled in a folder beside its place and
# moved there when complete, so that what lies in that place is never half made.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/helm" && pwd)
package=helm.sh/helm/v4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/helm
version=$(sed -nE "s#^(require)?[[:space:]]*$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/$version
readonly heartbeat=30

say() { printf 'helm: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# Helm before 3.18 words the refusals of values differently (another JSON schema library), which the tests read.
is_new_enough() {
	local text
	text=$("$1" version --short 2>/dev/null) || return 1
	[[ $text =~ ^v([0-9]+)\.([0-9]+) ]] || return 1
	((BASH_REMATCH[1] >= 4 || (BASH_REMATCH[1] == 3 && BASH_REMATCH[2] >= 18)))
}

answer_if_cached() {
	[[ ! -x $place/helm ]] || {
		echo "$place/helm"
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
		-ldflags "-s -w -X $package/internal/version.version=$version" -o "$partial/complete/helm" "$package/cmd/helm"
}

# In the background and in a process group of its own, so that a signal is answered at once and ends all of it.
build() {
	local start=$SECONDS next=$heartbeat
	say "building $version from source, once (a few minutes on 2 cores)"
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
	[[ -z ${job:-} ]] || kill -- "-$job" 2>/dev/null || true
	[[ -z ${partial:-} ]] || rm -rf "$partial"
}

if on_path=$(command -v helm) && is_new_enough "$on_path"; then
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
go_is_new_enough || die "there is no helm, and no Go 1.26 or newer to build it.
Install either: Helm 3.18 or newer (https://helm.sh/docs/intro/install) or Go (https://go.dev/dl)"

# Whoever holds the lock is alone: these are what killed runs left behind.
rm -rf "$place" "$cache"/partial.*
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
partial=$(mktemp -d "$cache/partial.XXXXXX")
mkdir "$partial/complete"
build || die "the build failed; nothing was installed"
mv -T "$partial/complete" "$place"
echo "$place/helm"
