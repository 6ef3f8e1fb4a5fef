#!/usr/bin/env bash
# Usage: build.sh [ARGUMENT...]
#
# Builds the programs with the features that tests have, by naming a small test beside them: the features of
# dev-dependencies are on then, and the tests' builds of all dependencies serve. `cargo build` alone compiles most of them
# again. The arguments are cargo's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec cargo build --workspace --locked --bins --test crd "$@"
