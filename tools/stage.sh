#!/usr/bin/env bash
# Usage: stage.sh NAME COMMAND [ARGUMENT...]
#        stage.sh --begin | --table
#
# Runs one stage of the Makefile; says which it is and how long it took, and appends that to the file $STAGES, from
# which --table prints all stages since --begin, and the time since then: some run side by side. After the table comes
# the end of what each failed stage printed. A command that ends with 77 could not be run on this machine: the stage says
# so, and it is a failure where the variable CI is set.
set -euo pipefail

print_table() {
	printf '\n%-44s %-8s %s\n' stage outcome seconds
	tail -n +2 "$STAGES" | awk -F '\t' '{ printf "%-44s %-8s %7d\n", $1, $2, $3 }'
	printf '%-44s %-8s %7d\n' all "" $(($(date +%s) - $(head -n 1 "$STAGES")))
}

print_failures() {
	local name outcome
	while IFS=$'\t' read -r name outcome _; do
		[[ $outcome != FAILED ]] || {
			printf '\n==== %s: the end of what it printed\n' "$name"
			tail -n 60 "$logs/$name"
		}
	done < <(tail -n +2 "$STAGES")
}

: "${STAGES:=target/stages}"
logs=$STAGES.logs
mkdir -p "$logs"

case $1 in
--begin)
	date +%s >"$STAGES"
	exit
	;;
--table)
	print_table
	print_failures
	exit
	;;
esac

name=$1
shift
printf '\n==== %s\n' "$name"
status=0
[[ ! -t 1 ]] || export CARGO_TERM_COLOR=always
"$@" 2>&1 | tee "$logs/$name" || status=${PIPESTATUS[0]}
case $status in
0) outcome=passed ;;
77) outcome="not run" ;;
*) outcome=FAILED ;;
esac
printf '==== %s: %s after %d s\n' "$name" "$outcome" "$SECONDS"
printf '%s\t%s\t%d\n' "$name" "$outcome" "$SECONDS" >>"$STAGES"
[[ $status != 77 || -n ${CI:-} ]] || exit 0
exit "$status"
