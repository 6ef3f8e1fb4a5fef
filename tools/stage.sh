#!/usr/bin/env bash
# Usage: stage.sh NAME COMMAND [ARGUMENT...]
#
# Runs one stage of `make check` or `make test`; says which it is and how long it took. A command that ends with 77 could
# not be run on this machine: that is told, and it is a failure where the variable CI is set.
set -euo pipefail

name=$1
shift
printf '\n==== %s\n' "$name"
status=0
"$@" || status=$?
case $status in
0) outcome=passed ;;
77) outcome="NOT RUN, for want of what is named above;" ;;
*) outcome=FAILED ;;
esac
printf '==== %s: %s after %d s\n' "$name" "$outcome" "$SECONDS"
[[ $status != 77 || -n ${CI:-} ]] || exit 0
exit "$status"
