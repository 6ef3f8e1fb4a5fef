#!/usr/bin/env bash
# Usage: stage.sh NAME COMMAND [ARGUMENT...]
#        stage.sh --begin | --table
#
# Runs one stage of the Makefile; says which it is and how long it took, and appends that to the file $STAGES, from
# which --table prints all stages since --begin, and the time since then: some run side by side. A command that ends
# with 77 could not be run on this machine: the stage says so, and it is a failure where the variable CI is set.
set -euo pipefail

print_table() {
	printf '\n%-44s %-8s %s\n' stage outcome seconds
	tail -n +2 "$STAGES" | awk -F '\t' '{ printf "%-44s %-8s %7d\n", $1, $2, $3 }'
	printf '%-44s %-8s %7d\n' all "" $(($(date +%s) - $(head -n 1 "$STAGES")))
}

case $1 in
--begin)
	mkdir -p "$(dirname "$STAGES")"
	date +%s >"$STAGES"
	exit
	;;
--table)
	print_table
	exit
	;;
esac

name=$1
shift
printf '\n==== %s\n' "$name"
status=0
"$@" || status=$?
case $status in
0) outcome=passed ;;
77) outcome="not run" ;;
*) outcome=FAILED ;;
esac
printf '==== %s: %s after %d s\n' "$name" "$outcome" "$SECONDS"
record=${STAGES:-/dev/null}
mkdir -p "$(dirname "$record")"
printf '%s\t%s\t%d\n' "$name" "$outcome" "$SECONDS" >>"$record"
[[ $status != 77 || -n ${CI:-} ]] || exit 0
exit "$status"
