#!/usr/bin/env bash
# Usage: debian.sh PACKAGE=FILE...
#
# Sees to it that these Debian packages are here, each known by a file of its own, however that came. Those that are
# missing are installed where there is apt-get, and root to run it.
#
# The exit code is 77 when something is missing that can't be installed from here, and stderr says what.
set -euo pipefail

say() { printf 'debian: %s\n' "$*" >&2; }

missing_of() {
	local wanted
	for wanted; do
		[[ -e ${wanted#*=} ]] || echo "${wanted%%=*}"
	done
}

unavailable() {
	say "$*"
	exit 77
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 "$@" </dev/null >&2 || unavailable "apt-get $1 failed"; }

mapfile -t missing < <(missing_of "$@")
((${#missing[@]} > 0)) || exit 0
command -v apt-get >/dev/null || unavailable "there is no ${missing[*]} (the names of Debian's packages), nor apt-get"
((EUID == 0)) || unavailable "there is no ${missing[*]}: apt-get install --no-install-recommends ${missing[*]}"
say "installing ${missing[*]}"
apt_get update
apt_get install --yes --no-install-recommends "${missing[@]}"
mapfile -t missing < <(missing_of "$@")
((${#missing[@]} == 0)) || unavailable "there is no ${missing[*]}, although apt-get has installed it"
