# shellcheck shell=bash disable=SC2154 # $work is set by the script that sources this
# How the tests of scripts run their cases: functions, each in a shell and a folder of its own below $work, under `set -e`.

fail() {
	echo "$*"
	exit 1
}

not() { ! "$@" || fail "this should not hold: $*"; }

# Usage: run_cases NAME... Prints a line for each case, and what a failed one printed; fails if one has failed.
run_cases() {
	local name status passed=0 failed=0
	for name in "$@"; do
		mkdir "$work/$name"
		(
			cd "$work/$name" || exit 1
			set -e
			"$name"
		) >"$work/$name.log" 2>&1
		status=$? # not "if ( ... )", which would switch set -e off
		if ((status == 0)); then
			passed=$((passed + 1))
			echo "ok      ${name//_/ }"
		else
			failed=$((failed + 1))
			echo "FAILED  ${name//_/ }"
			sed 's/^/        /' "$work/$name.log"
		fi
	done
	echo "$passed passed, $failed failed"
	((failed == 0))
}
