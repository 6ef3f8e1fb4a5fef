#!/usr/bin/env bash
# Usage: promtool.sh [PROGRAM]
#
# Prints, as the only line on stdout, the path of promtool (or of prometheus, from the same package). The first of
# these that works:
#
#   1. the one on the PATH
#   2. the cache
#   3. Debian's or Ubuntu's package `prometheus`, unpacked and not installed: needs apt, and no root
set -euo pipefail

program=${1:-promtool}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/prometheus
place=$cache/debian
complete=$place/usr/bin/$program
answer=$complete
name=promtool
# shellcheck source=tools/cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

# With folders of its own where the machine's package lists are empty and may not be written.
download() {
	local -a own=()
	if ! apt-cache show prometheus >/dev/null 2>&1; then
		mkdir -p "$partial"/apt/lists/partial "$partial"/apt/archives/partial
		own=(-o "Dir::State::lists=$partial/apt/lists" -o "Dir::Cache=$partial/apt" -o "Dir::Cache::archives=$partial/apt/archives")
		apt-get "${own[@]}" -o APT::Sandbox::User="$(id -un)" update >&2
	fi
	(cd "$partial" && apt-get "${own[@]}" -o APT::Sandbox::User="$(id -un)" download prometheus >&2)
}

case $program in
promtool | prometheus) ;;
*) die "there is no $program here: promtool or prometheus" ;;
esac
if on_path=$(command -v "$program"); then
	echo "$on_path"
	exit
fi
answer_if_cached
for needed in apt-get apt-cache dpkg-deb flock; do
	command -v "$needed" >/dev/null || die "there is no $program, and no $needed to get it with.
Install Prometheus 2.42 or newer: https://prometheus.io/download"
done
lock_cache
begin_to_fill
say "getting the package prometheus, once (20 MB)"
download 9>&- || die "the package could not be had; nothing was installed"
dpkg-deb --extract "$partial"/prometheus_*.deb "$partial/complete"
finish
