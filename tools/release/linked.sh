#!/usr/bin/env bash
# Usage: linked.sh TARGET
#
# Prints what cargo itself says that the operator's binary is made of, one "name version" a line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo tree --quiet --locked --package session-export-operator --edges normal --target "$1" --prefix none --format '{p}' |
	sed -E 's/^([^ ]+) v([^ ]+).*/\1 \2/' | LC_ALL=C sort -u
