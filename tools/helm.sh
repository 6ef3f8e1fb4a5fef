#!/usr/bin/env bash
# Prints, as the only line on stdout, the path of a Helm binary. The first of these that works:
#
#   1. helm on the PATH, from 3.18 on
#   2. the cache
#   3. a build from the Go module that helm/go.mod names and helm/go.sum pins
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
answer_if_cached
lock_cache
go_is_new_enough || die "there is no helm, and no Go 1.26 or newer to build it.
Install either: Helm 3.18 or newer (https://helm.sh/docs/intro/install) or Go (https://go.dev/dl)"

begin_to_fill
say "building $version from source, once (a few minutes on 2 cores)"
go_build "-s -w -X $package/internal/version.version=$version" "$package/cmd/helm" || die "the build failed; nothing was installed"
finish
