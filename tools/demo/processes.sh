# shellcheck shell=bash disable=SC2154,SC2034 # variables shared with tools/demo.sh
# What the demo starts, and how it ends: nothing outlives the demo, whatever that dies of.
#
# Sourced by tools/demo.sh. Uses $dir; logs go to $dir/NAME.log.

declare -A pids=()
job=
control_input=
control_pid=

# Runs a long command so that a signal to this script is answered at once: in the background, in a process group of its
# own that can be ended as a whole.
attended() {
	set -m
	setpriv --pdeathsig TERM "$@" </dev/null &
	job=$!
	set +m
	local status=0
	wait "$job" || status=$?
	job=
	return "$status"
}

# start NAME COMMAND...: the kernel ends the program when this script dies.
start() {
	local name=$1
	shift
	setpriv --pdeathsig KILL "$@" </dev/null >"$dir/$name.out" 2>"$dir/$name.log" &
	pids[$name]=$!
}

# The control plane ends when its standard input does; only this script holds the other end.
start_control_plane() {
	coproc CONTROL { exec tools/control-plane/run.sh "$dir/control-plane" 2>"$dir/control-plane.log"; }
	# shellcheck disable=SC2153 # coproc sets it
	control_pid=$CONTROL_PID
	control_input=${CONTROL[1]}
	control_output=${CONTROL[0]}
}

await_control_plane() {
	local answer
	read -r -t 120 answer <&"$control_output" && [[ $answer == ready ]] && return
	cat "$dir/control-plane.log" >&2
	die "the control plane did not start; what it said stands above"
}

# Names the first that has died by itself, if any.
fallen() {
	local name
	kill -0 "$control_pid" 2>/dev/null || echo control-plane
	for name in "${!pids[@]}"; do
		kill -0 "${pids[$name]}" 2>/dev/null || echo "$name"
	done
}

die_if_fallen() {
	local name
	name=$(fallen)
	[[ -n $name ]] || return 0
	name=${name%%$'\n'*}
	tail -n 20 "$dir/$name.log" >&2
	die "the $name has died; the end of its log stands above"
}

# Asks, waits for 3 s, then insists.
stop() {
	local pid=${pids[$1]:-} tenths
	[[ -n $pid ]] || return 0
	unset "pids[$1]"
	kill -TERM "$pid" 2>/dev/null || true
	for ((tenths = 0; tenths < 30; tenths++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

stop_all() {
	[[ -z $job ]] || kill -- "-$job" 2>/dev/null || true
	stop operator
	stop simulator
	[[ -z $control_input ]] || exec {control_input}>&-
	[[ -z $control_pid ]] || wait "$control_pid" 2>/dev/null || true
	[[ -z $job ]] || wait "$job" 2>/dev/null || true
}
