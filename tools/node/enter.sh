#!/usr/bin/env bash
# Usage: enter.sh COMMAND [ARGUMENT...]
#
# Runs a command, such as kubectl or bash, in the network of the node that run.sh has started last.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
all=${CARGO_TARGET_DIR:-$here/../../target}/node
# shellcheck disable=SC2012 # names of our own making
pid=$(ls -t "$all"/*/pid 2>/dev/null | head -n 1)
[[ -n $pid ]] || {
	echo "node: none is running" >&2
	exit 1
}
control_plane=${CONTROL_PLANE_BIN:-$("$here/../control-plane/install.sh")}
KUBECONFIG=$(dirname "$pid")/kubeconfig PATH=$control_plane:$PATH exec nsenter --target "$(<"$pid")" --net -- "$@"
