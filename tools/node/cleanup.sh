#!/usr/bin/env bash
# Usage: cleanup.sh DIR CGROUP, with a pipe as standard input
#
# Waits until the pipe's other end is closed, then until the node's last process is gone, and removes what the kernel
# doesn't: its cgroups, and its folder (but for the logs, unless there is DIR/passed).
set -uo pipefail

readonly dir=$1 cgroup=$2

cgroups() { find /sys/fs/cgroup -depth -type d \( -name "$cgroup" -o -path "*/$cgroup/*" \) 2>/dev/null; }

cat >/dev/null
# A cgroup can't be removed before its last process has ended.
for _ in {1..100}; do
	cgroups | xargs --no-run-if-empty rmdir 2>/dev/null
	[[ -n $(cgroups) ]] || break
	sleep 0.1
done
if [[ -e $dir/passed ]]; then
	rm -rf "$dir"
else
	find "$dir" -mindepth 1 -maxdepth 1 -not -name log -exec rm -rf {} +
fi
