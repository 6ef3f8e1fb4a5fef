#!/usr/bin/env bash
# Drives the simulator with an unmodified boto3. The simulator's binary is $SIMULATOR_BIN, by
# default target/debug/gameliftstreams-simulator; arguments go to pytest.
#
# boto3 lives in a virtual environment of its own in the cache, named by its requirements.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
export SIMULATOR_BIN=${SIMULATOR_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/gameliftstreams-simulator}
if [[ ! -x $SIMULATOR_BIN ]]; then
  echo "$0: no simulator at $SIMULATOR_BIN; build it with: cargo build -p gameliftstreams-simulator" >&2
  exit 1
fi

python=${PYTHON:-python3}
hash=$({ "$python" --version; cat "$here/requirements.txt"; } | sha256sum | cut -c1-12)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/venv-boto3-$hash
if [[ ! -e $venv/complete ]]; then
  echo "boto3: installing into $venv"
  mkdir -p "$(dirname "$venv")"
  # Several runs at once must not build it twice.
  exec 9>"$venv.lock"
  flock 9
  if [[ ! -e $venv/complete ]]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # No sdists: what builds one comes from the index without a hash.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
      --requirement "$here/requirements.txt"
    touch "$venv/complete"
  fi
  flock -u 9
fi

# The caller's own AWS configuration must not reach the tests.
unset "${!AWS_@}"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
cd "$here"
exec "$venv/bin/python" -B -m pytest -p no:cacheprovider -q "$@"
