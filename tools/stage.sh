#!/usr/bin/env bash
# Usage: stage.sh NAME COMMAND [ARGUMENT...]
#
# Runs one stage of `make check` or `make test`; says which it is and how long it took.
set -euo pipefail

name=$1
shift
printf '\n==== %s\n' "$name"
status=0
"$@" || status=$?
((status == 0)) && outcome=passed || outcome=FAILED
printf '==== %s: %s after %d s\n' "$name" "$outcome" "$SECONDS"
exit "$status"
