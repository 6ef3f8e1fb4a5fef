#!/usr/bin/env bash
# The tests of tests/cluster: the chart and the image on a real node. The exit code is 77 when there can't be one here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools/node/install.sh >/dev/null
CONTROL_PLANE_BIN=$(tools/control-plane/install.sh)
HELM=$(tools/helm.sh)
IMAGE=$(tools/image.sh)
export CONTROL_PLANE_BIN HELM IMAGE
# The message of a failure ends with what failed; the frames of async functions would push it out of sight.
export RUST_BACKTRACE=0

tools/build.sh
# Started by its path: cargo would leave it running when it is killed.
tests=$(cargo test --workspace --locked --test cluster --no-run --message-format json |
	sed -nE '/"name":"cluster"/s/.*"executable":"([^"]+)".*/\1/p')
[[ -n $tests ]] || { echo "node/test.sh: cargo built no test binary of the name cluster" >&2; exit 1; }
tools/node/run.sh "$tests" --ignored --nocapture "$@"
