#!/usr/bin/env bash
# Usage: repeat.sh UNTIL [FILE]
#
# Runs the end-to-end suites as `make test` does, again and again beside two busy loops, and begins no run after UNTIL
# (what `date --date` reads, such as 18:30 or "2 hours"). Each run appends a line to FILE (tests/repeat.tsv): when it
# began, the commit, its seconds, the tests that passed and failed, and the names of the failed ones. What a failed run
# printed stays in target/repeat/.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# == 1 || $# == 2 ]] || {
	echo "usage: repeat.sh UNTIL [FILE]" >&2
	exit 2
}
until=$(date --date "$1" +%s)
record=${2:-tests/repeat.tsv}
output=target/repeat

start_busy_loops() {
	local _
	for _ in 1 2; do
		(while :; do :; done) &
		loops+=($!)
	done
}

stop_busy_loops() {
	[[ ${#loops[@]} == 0 ]] || kill "${loops[@]}" 2>/dev/null || true
	loops=()
}

# Usage: count_tests passed|failed FILE. The sum over the suites.
count_tests() { sed -nE "s/^test result: .* ([0-9]+) $1;.*/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

run_once() {
	local began log seconds failed=0 names
	began=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
	log=$output/$began.log
	seconds=$SECONDS
	start_busy_loops
	make --keep-going e2e tenants >"$log" 2>&1 || failed=1
	stop_busy_loops
	seconds=$((SECONDS - seconds))
	names=$(sed -nE 's/^test (.*) \.\.\. FAILED$/\1/p' "$log" | sort -u | paste -sd ' ')
	((failed == 0)) || [[ -n $names ]] || names="no test failed, but the run did"
	printf '%s\t%s\t%d\t%d\t%d\t%s\n' "$began" "$(git rev-parse --short HEAD)" "$seconds" \
		"$(count_tests passed "$log")" "$(count_tests failed "$log")" "$names" | tee -a "$record"
	((failed)) || rm "$log"
}

loops=()
trap stop_busy_loops EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$output"
tools/build.sh
cargo test --workspace --locked --no-run --test e2e --test tenants
[[ -e $record ]] || printf 'began\tcommit\tseconds\tpassed\tfailed\tfailed tests\n' >"$record"
while (($(date +%s) < until)); do run_once; done
