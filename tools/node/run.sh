#!/usr/bin/env bash
# Usage: run.sh COMMAND [ARGUMENT...]
#
# Runs a command beside a real Kubernetes node: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd,
# kubelet and kube-proxy. All of it lives in namespaces of its own (network, mounts, processes, cgroups) under one process,
# so nothing of the machine is touched, any number of them run side by side, and one kill ends the lot, containers
# included. The command runs in the node's network, with
#
#   KUBECONFIG           the administrator's
#   NODE_DIR             a folder with audit.log (one JSON line for each answered request, level Metadata), log/ and pid
#                        (of the first process in the namespaces); removed in the end, but for log/ when the command failed
#   PATH                 with kubectl first
#
# The node's address is 10.77.0.1: Pods reach there what the command serves. Nothing else is reachable: no internet, no
# DNS. NetworkPolicies are not enforced. From another terminal, enter.sh.
#
# The exit code is the command's; 77 when there can't be a node on this machine, and stderr says why.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly address=10.77.0.1

say() { printf 'node: %s\n' "$*" >&2; }

# Named by this process. What earlier ones have left goes: logs of failures.
make_folder() {
	local all=${CARGO_TARGET_DIR:-$here/../../target}/node old
	mkdir -p "$all"
	all=$(cd "$all" && pwd)
	for old in "$all"/*; do
		kill -0 "${old##*/}" 2>/dev/null || rm -rf "$old"
	done
	dir=$all/$$
	rm -rf "$dir"
	mkdir -m 700 "$dir" "$dir/log"
}

# Ends everything that is left when this script has ended, whatever of: it alone holds the other end of the pipe.
start_sweeper() {
	exec {life}> >(exec setsid "$here/cleanup.sh" "$dir" "$cgroup")
	sweeper=$!
}

# On a machine with cgroup v2 alone, the new namespace is to begin in a cgroup that holds nothing else.
enter_cgroup_v2() {
	[[ -e /sys/fs/cgroup/cgroup.procs ]] || return 0
	mkdir "/sys/fs/cgroup/$cgroup"
	echo $BASHPID >"/sys/fs/cgroup/$cgroup/cgroup.procs"
}

# With a kill of this script, unshare is killed; with unshare the first process in the namespaces, and with it the rest.
start_node() {
	(
		enter_cgroup_v2
		exec setpriv --pdeathsig KILL unshare --net --mount --pid --cgroup --uts --ipc --fork --kill-child=KILL \
			--mount-proc --propagation private \
			env PATH="$control_plane:$node:$PATH" "$here/inner.sh" "$dir" "$address" "$cgroup"
	) </dev/null >"$dir/log/inner.log" 2>&1 {life}>&- &
	unshare=$!
}

await_node() {
	local begun=$SECONDS
	until [[ -e $dir/ready ]]; do
		kill -0 "$unshare" 2>/dev/null || give_up "it has died"
		((SECONDS - begun < 120)) || give_up "it is not ready after $((SECONDS - begun)) s"
		sleep 0.1
	done
	pgrep --parent "$unshare" >"$dir/pid"
	say "ready after $((SECONDS - begun)) s"
}

give_up() {
	tail -n 20 "$dir"/log/*.log >&2
	say "$1; the ends of the logs in $dir/log stand above"
	exit 1
}

# shellcheck disable=SC2317,SC2329 # the EXIT trap calls it
end_all() {
	[[ -z ${command:-} ]] || kill "$command" || true
	[[ -z ${unshare:-} ]] || kill -KILL "$unshare" || true
	wait "${command:-}" "${unshare:-}" || true
	exec {life}>&-
	wait "$sweeper"
} 2>/dev/null

(($# > 0)) || {
	say "usage: run.sh COMMAND [ARGUMENT...]"
	exit 2
}
node=$("$here/install.sh")
control_plane=${CONTROL_PLANE_BIN:-$("$here/../control-plane/install.sh")}
make_folder
cgroup=session-export-operator-node-$$

start_sweeper
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start_node
await_node
status=0
KUBECONFIG=$dir/kubeconfig NODE_DIR=$dir PATH=$control_plane:$PATH \
	setpriv --pdeathsig KILL nsenter --target "$(<"$dir/pid")" --net -- "$@" {life}>&- &
command=$!
wait "$command" || status=$?
command=
((status == 0)) || say "the logs are in $dir/log"
[[ $status != 0 ]] || touch "$dir/passed"
exit "$status"
