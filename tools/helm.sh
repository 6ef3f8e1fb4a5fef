#!/usr/bin/env bash
# Prints, as the only line on stdout, the path of a Helm binary. The first of these that works:
#
#   1. helm on the PATH, from 3.18 on
#   2. the cache
#   3. the official release, checked against the checksum that helm/checksums pins
#   4. a build from the Go module that helm/go.mod names and helm/go.sum pins
#
#   HELM_DOWNLOADS   takes the release from another mirror
#   HELM_CHECKSUMS   another file of pinned checksums
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/helm" && pwd)
package=helm.sh/helm/v4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/helm
version=$(sed -nE "s#^(require)?[[:space:]]*$package (v[0-9.]+)( //.*)?\$#\2#p" "$here/go.mod")
place=$cache/$version
complete=$place/helm
answer=$complete
name=helm
# shellcheck source=tools/cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
# shellcheck source=tools/download.sh
. "$(dirname "${BASH_SOURCE[0]}")/download.sh"

# Helm before 3.18 words the refusals of values differently (another JSON schema library), which the tests read.
is_new_enough() {
	local text
	text=$("$1" version --short 2>/dev/null) || return 1
	[[ $text =~ ^v([0-9]+)\.([0-9]+) ]] || return 1
	((BASH_REMATCH[1] >= 4 || (BASH_REMATCH[1] == 3 && BASH_REMATCH[2] >= 18)))
}

if on_path=$(command -v helm) && is_new_enough "$on_path"; then
	echo "$on_path"
	exit
fi
download() {
	local arch archive sum
	arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
	archive=helm-$version-linux-$arch.tar.gz
	sum=$(pinned_sum "${HELM_CHECKSUMS:-$here/checksums}" "$archive")
	[[ -n $sum ]] || {
		say "no checksum of $archive is pinned in helm/checksums"
		return 1
	}
	fetch "${HELM_DOWNLOADS:-https://get.helm.sh}/$archive" "$partial/$archive" || return 1
	verify 256 "$partial/$archive" "$sum"
	tar -xzf "$partial/$archive" -C "$partial/complete" --strip-components=1 --no-same-owner "linux-$arch/helm"
}

answer_if_cached
lock_cache
begin_to_fill
if ! download; then
	go_is_new_enough || die "there is no helm, it can't be downloaded, and there is no Go 1.26 or newer to build it.
Install either: Helm 3.18 or newer (https://helm.sh/docs/intro/install) or Go (https://go.dev/dl)"
	say "building $version from source, once (a few minutes on 2 cores)"
	go_build "-s -w -X $package/internal/version.version=$version" "$package/cmd/helm" ||
		die "the build failed; nothing was installed"
fi
finish
