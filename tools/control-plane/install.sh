#!/usr/bin/env bash
# Usage: install.sh [node]
#
# Prints, as the only line on stdout, a folder that holds etcd, kube-apiserver,
# kube-controller-manager and kubectl; or, of the same version, what a node runs beside
# them: kubelet, kube-proxy and kube-scheduler. The first of these that works:
#
#   1. $KUBEBUILDER_ASSETS, when all four are in it
#   2. the cache
#   3. the official releases, checked against the checksums that the file checksums pins; etcd from the archive that
#      Kubernetes' controller-tools publish for tests, with its checksum in their repository
#   4. a build from the Go modules that go.mod names and go.sum pins
#
# The cache lies outside the checkout, so that the next clone finds it. It is filled
# in a folder beside its place and moved there when complete, so that what lies in
# that place is never half made.
#
#   KUBERNETES_DOWNLOADS, ENVTEST_DOWNLOADS   take the releases from another mirror
#   CONTROL_PLANE_CHECKSUMS                   another file of pinned checksums
#   CONTROL_PLANE_HEARTBEAT                   seconds between signs of life (30)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/control-plane
# The release of controller-tools that has the etcd that go.mod names.
readonly envtest=v1.37.0

# shellcheck source=tools/download.sh
. "$here/../download.sh"

say() { printf 'control-plane: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# The version of a module that go.mod requires: the one place where versions stand.
required() { sed -nE "s#^(require)?[[:space:]]*$1 (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod"; }

# The first of them that a folder lacks; nothing when it is complete.
first_missing() {
	local name
	for name in "${binaries[@]}"; do
		[[ -x $1/$name ]] || {
			echo "$name"
			return
		}
	done
}

answer_if_complete() {
	[[ -n $(first_missing "$1") ]] || {
		echo "$1"
		exit
	}
}

# Runs a command in the background, so that a signal is answered at once, and in a
# process group of its own, so that its children can be ended with it; says every half
# minute that it is still at work.
narrated() {
	local what=$1 start=$SECONDS next=${CONTROL_PLANE_HEARTBEAT:-30}
	shift
	say "$what"
	set -m
	"$@" </dev/null >&2 9>&- &
	job=$!
	set +m
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.1
		if ((SECONDS - start >= next)); then
			say "$what: at it for $((SECONDS - start)) s"
			next=$((next + ${CONTROL_PLANE_HEARTBEAT:-30}))
		fi
	done
	local finished=$job
	job=
	wait "$finished"
}

# Usage: download_archive FOLDER WHAT BASE NAME, where NAME is the archive's path below BASE, and its name in checksums.
download_archive() {
	local into=$1 what=$2 base=$3 name=$4 sum
	sum=$(pinned_sum "${CONTROL_PLANE_CHECKSUMS:-$here/checksums}" "$name")
	[[ -n $sum ]] || {
		say "no checksum of $name is pinned in checksums"
		return 1
	}
	narrated "downloading $what" fetch "$base/$name" "$into/${name##*/}" || return 1
	verify 512 "$into/${name##*/}" "$sum"
}

# One archive has all programs of Kubernetes, a node's too.
download_kubernetes() {
	local into=$1 name members=()
	local archive=kubernetes-server-linux-$arch.tar.gz
	download_archive "$into" "Kubernetes $kubernetes (400 MB)" "${KUBERNETES_DOWNLOADS:-https://dl.k8s.io}" \
		"$kubernetes/$archive" || return 1
	for name in "${binaries[@]}"; do [[ $name == etcd ]] || members+=("kubernetes/server/bin/$name"); done
	tar -xzf "$into/$archive" -C "$into" --strip-components=3 --no-same-owner "${members[@]}" || return 1
	rm "$into/$archive"
}

download_etcd() {
	[[ ${binaries[*]} == *etcd* ]] || return 0
	local into=$1 archive=envtest-$envtest-linux-$arch.tar.gz
	download_archive "$into" "etcd $etcd (in envtest $envtest)" \
		"${ENVTEST_DOWNLOADS:-https://github.com/kubernetes-sigs/controller-tools/releases/download}" \
		"envtest-$envtest/$archive" || return 1
	tar -xzf "$into/$archive" -C "$into" --strip-components=2 --no-same-owner controller-tools/envtest/etcd || return 1
	rm "$into/$archive"
	[[ $("$into/etcd" --version)$'\n' == "etcd Version: ${etcd#v}"$'\n'* ]] || {
		say "envtest $envtest has another etcd than $etcd, which go.mod names"
		return 1
	}
}

download() {
	download_kubernetes "$1" && download_etcd "$1" && chmod +x "$1"/*
}

# Asked inside the module, so that a Go that can fetch newer toolchains may do so.
go_is_new_enough() {
	local version
	version=$(cd "$here" && go env GOVERSION 2>/dev/null) || return 1
	[[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 26))
}

# Without these flags the API server calls itself v0.0.0-master+$Format:%H$.
version_flags() {
	local package=k8s.io/component-base/version major minor
	IFS=. read -r major minor _ <<<"${kubernetes#v}"
	echo "-s -w -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
}

go_build() {
	cd "$here"
	CGO_ENABLED=0 GOWORK=off GOTMPDIR=$partial \
		exec setpriv --pdeathsig KILL nice go build -mod=readonly -trimpath -ldflags "$(version_flags)" -o "$1" "$2"
}

build() {
	local into=$1 n=0 name package
	for name in "${binaries[@]}"; do
		case $name in
		etcd) package=go.etcd.io/etcd/server/v3 ;;
		*) package=k8s.io/kubernetes/cmd/$name ;;
		esac
		n=$((n + 1))
		narrated "building $name from source ($n of ${#binaries[@]}; $takes in all on 2 cores)" \
			go_build "$into/$name" "$package" || die "the build of $name failed; nothing was installed"
	done
}

clean_up() {
	[[ -z ${job:-} ]] || kill -- "-$job" 2>/dev/null || true
	[[ -z ${partial:-} ]] || rm -rf "$partial"
}

case ${1:-} in
'')
	binaries=(etcd kube-apiserver kube-controller-manager kubectl)
	takes="about 12 minutes"
	;;
node)
	binaries=(kubelet kube-proxy kube-scheduler)
	takes="about 2 minutes"
	;;
*) die "usage: install.sh [node]" ;;
esac

if [[ -z ${1:-} && -n ${KUBEBUILDER_ASSETS:-} ]]; then
	answer_if_complete "$KUBEBUILDER_ASSETS"
	say "KUBEBUILDER_ASSETS is not used: there is no $(first_missing "$KUBEBUILDER_ASSETS") in $KUBEBUILDER_ASSETS"
fi

[[ $(uname -s) == Linux ]] || die "only Linux is supported"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) die "no release for $(uname -m)" ;;
esac
kubernetes=$(required k8s.io/kubernetes)
etcd=$(required go.etcd.io/etcd/server/v3)
place=$cache/kubernetes-$kubernetes-etcd-$etcd
[[ -z ${1:-} ]] || place=$cache/kubernetes-$kubernetes-$1

answer_if_complete "$place"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --nonblock 9 || {
	say "another run is at it: waiting for its result"
	flock 9
}
answer_if_complete "$place"

# Whoever holds the lock is alone: these are what killed runs left behind.
rm -rf "$place" "$cache"/partial.*
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
partial=$(mktemp -d "$cache/partial.XXXXXX")
complete=$partial/download
mkdir "$complete"
if ! download "$complete"; then
	go_is_new_enough || die "the releases can't be downloaded, and there is no Go 1.26 or newer to build them.
Either give this machine a way to dl.k8s.io and github.com (and curl), or install Go from https://go.dev/dl"
	say "the releases can't be downloaded: building them"
	complete=$partial/build
	mkdir "$complete"
	build "$complete"
fi
mv -T "$complete" "$place"
echo "$place"
