#!/usr/bin/env bash
# Usage: beside.sh BUILD COMMAND [ARGUMENT...]
#
# Runs the shell command BUILD at the lowest priority beside COMMAND, which leaves a part of the machine idle. Ends when
# both have ended, and fails if one has. BUILD's output is shown if it fails.
set -euo pipefail

output=$(mktemp)
trap 'rm -f "$output"' EXIT
setpriv --pdeathsig KILL nice -n 19 bash -euo pipefail -c "$1" >"$output" 2>&1 &
build=$!
shift
status=0
"$@" || status=$?
wait "$build" || {
	status=$?
	cat "$output"
}
exit "$status"
