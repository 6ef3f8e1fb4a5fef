#!/usr/bin/env bash
# Usage: mutants.sh ROOM [--again]
#
# Changes the code of a room in one place at a time and runs the unit tests against each change (cargo-mutants): first
# the tests of the room, then all of them against what those missed. Prints how many changes were caught, and each
# missed one that tests/mutants.tsv does not list as equivalent. The exit code is 1 if there is such a change. --again
# tries only what the last run of the room missed or did not come to.
#
# Half an hour to an hour for a hundred changes on 2 cores. It works on copies of the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly version=27.1.0
readonly equivalent=tests/mutants.tsv

usage() {
	echo "usage: mutants.sh decision|ownership|authorization|errors|limiter|planner [--again]" >&2
	exit 2
}

# Sets files, as globs, a file among them to leave out, and tests, as the beginning of their names.
choose_room() {
	case $1 in
	decision) files=('src/export/decision.rs' 'src/export/decision/*.rs') tests=export:: ;;
	ownership) files=('src/state.rs' 'src/state/*.rs') tests=state:: ;;
	authorization) files=('src/authorization.rs' 'src/authorization/*.rs') tests=authorization:: ;;
	errors) files=('src/aws/error_class.rs' 'src/aws/error_class/*.rs') tests=aws:: ;;
	limiter) files=('src/quota/*.rs' 'src/quota/*/*.rs') tests=quota:: ;;
	# The poller is IO, which the end-to-end tests cover.
	planner) files=(src/polling.rs 'src/polling/*.rs' 'src/polling/scan_group/*.rs') except=src/polling/poller.rs tests=polling:: ;;
	*) usage ;;
	esac
}

# Usage: try_mutants TESTS. Tries what has not been caught yet. cargo-mutants' exit code says 2 for missed changes and 3
# for time-outs.
try_mutants() {
	local tests=$1 status=0 file options=()
	for file in "${files[@]}"; do options+=(--file "$file"); done
	[[ -z $except ]] || options+=(--exclude "$except")
	CARGO_PROFILE_DEV_DEBUG=0 cargo mutants --no-shuffle --iterate --jobs 2 --output "$output" \
		--package session-export-operator --timeout 300 "${options[@]}" -- --locked --lib "$tests" || status=$?
	((status == 0 || status == 2 || status == 3))
}

# A change without its line, which moves.
without_position() { sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /'; }

(($# == 1 || $# == 2)) || usage
except=
choose_room "$1"
output=target/mutants/$1
if [[ $(cargo mutants --version 2>/dev/null) != "cargo-mutants $version" ]]; then
	echo "cargo-mutants $version is needed: cargo install --locked cargo-mutants@$version" >&2
	exit 1
fi
mkdir -p "$output"
case ${2:-} in
'') rm -rf "$output"/mutants.out* ;;
--again) ;;
*) usage ;;
esac
try_mutants "$tests"
try_mutants ''

# Usage: count NAME... of the lists of the last run, in which those of earlier ones are previously_caught.
count() { (cd "$output/mutants.out" && cat "${@/%/.txt}" 2>/dev/null) | sort -u | grep -c . || true; }
missed=$(without_position <"$output/mutants.out/missed.txt" | sort -u | grep -vxFf <(cut -f1 "$equivalent") || true)
printf '%s: %d caught or not compiling, %d timed out; missed and not in %s:\n%s\n' "$1" \
	"$(count caught unviable previously_caught)" "$(count timeout)" "$equivalent" "${missed:-none}"
[[ -z $missed ]]
