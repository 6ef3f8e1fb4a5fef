#!/usr/bin/env bash
# Tests that a node leaves nothing behind, whatever it ends of, and what is said where there can't be one.
# One line a case; the exit code says whether all passed, and is 77 when there can't be a node on this machine.
# shellcheck disable=SC2329,SC2317 # the cases are called by name
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/cases.sh
. "$here/../cases.sh"
"$here/install.sh" >/dev/null || exit
target=$here/../../target
mkdir -p "$target"
work=$(cd "$target" && mktemp -d "$PWD/node-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A node whose command never ends. Leaves its processes in $pids and its cgroup in $cgroup.
start() {
	# shellcheck disable=SC2016 # for the inner shell
	CARGO_TARGET_DIR=$PWD "$here/run.sh" sh -c 'echo $$ >command; exec sleep infinity' 2>messages &
	run=$!
	until [[ -s command ]]; do
		kill -0 "$run" || fail "$(<messages)"
		sleep 0.1
	done
	cgroup=session-export-operator-node-$run
	pids="$(cat command) $(<"node/$run/pid") $(pgrep --parent "$(<"node/$run/pid")" | tr '\n' ' ')"
	(($(wc -w <<<"$pids") >= 9)) || fail "too few processes: $pids"
	[[ -n $(cgroups) ]] || fail "no cgroups"
}

cgroups() { find /sys/fs/cgroup -type d -name "$cgroup"; }

left() {
	local pid
	for pid in $pids; do cat "/proc/$pid/comm" 2>/dev/null || true; done
	cgroups
	find node -mindepth 2 -not -path '*/log*'
}

nothing_is_left() {
	local deadline=$((SECONDS + 20))
	while [[ -n $(left) ]]; do
		((SECONDS < deadline)) || fail "left: $(left)"
		sleep 0.2
	done
	[[ -s node/$run/log/kubelet.log ]] || fail "the logs are gone"
}

kill_9_leaves_nothing() {
	start
	kill -KILL "$run"
	nothing_is_left
}

term_leaves_nothing() {
	start
	kill -TERM "$run"
	nothing_is_left
}

the_exit_code_is_the_commands_and_success_leaves_no_folder() {
	local status=0
	CARGO_TARGET_DIR=$PWD "$here/run.sh" sh -c 'exit 3' 2>messages || status=$?
	((status == 3)) || fail "$status: $(<messages)"
	CARGO_TARGET_DIR=$PWD "$here/run.sh" kubectl get node node
	[[ -z $(ls node) ]] || fail "left: $(ls node)"
}

# It stays out of the table of the run that this is part of.
stage() { STAGES=$PWD/stages unshare --user "$here/../stage.sh" "node" "$here/install.sh" >said 2>&1; }

without_root_it_says_so_and_in_ci_that_is_a_failure() {
	CI='' stage || fail "$(<said)"
	grep -q "no node can be run here: it takes root" said || fail "$(<said)"
	grep -q "not run" said || fail "$(<said)"
	CI=true not stage
}

run_cases \
	without_root_it_says_so_and_in_ci_that_is_a_failure \
	the_exit_code_is_the_commands_and_success_leaves_no_folder \
	term_leaves_nothing \
	kill_9_leaves_nothing
