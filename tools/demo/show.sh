# shellcheck shell=bash disable=SC2154,SC2034 # variables shared with tools/demo.sh
# What the demo prints: on a terminal a table that is drawn again in its place, elsewhere a line for each change.
#
# Sourced by tools/demo.sh.

bold='' plain='' columns=200 live=
if [[ -t 1 ]]; then
	live=yes
	columns=$(tput cols 2>/dev/null || echo 100)
	[[ -n ${NO_COLOR:-} ]] || bold=$'\e[1m' plain=$'\e[0m'
fi
drawn=0
declare -A shown=()

say() {
	drawn=0
	printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"
}

note() { printf '    %s\n' "$*"; }

die() {
	outcome=wrong
	printf '\ndemo: %s\n' "$*" >&2
	exit 1
}

table() { kubectl get sessionexports --all-namespaces; }

# A line "NAMESPACE/NAME STATUS READY REASON" for each row of the table on standard input, with - for an empty cell.
cells() {
	awk '
		function cell(from, to,   text) {
			text = substr($0, from, to - from)
			gsub(/ /, "", text)
			return text == "" ? "-" : text
		}
		NR == 1 { s = index($0, "STATUS"); r = index($0, "READY"); e = index($0, "REASON"); a = index($0, "AGE"); next }
		{ print $1 "/" $2, cell(s, r), cell(r, e), cell(e, a) }'
}

# Without the sessions: an ARN would push the rest off the screen.
draw() {
	local line
	((drawn == 0)) || printf '\e[%dA' "$drawn"
	drawn=0
	while IFS= read -r line; do
		printf '    %s\e[K\n' "${line:0:columns-5}"
		drawn=$((drawn + 1))
	done < <(awk 'NR == 1 { a = index($0, "SESSION"); b = index($0, "STATUS") }
		{ print substr($0, 1, a - 1) substr($0, b) }' <<<"$1")
	printf '\e[J'
}

print_changes() {
	local name status ready reason
	while read -r name status ready reason; do
		[[ ${shown[$name]:-} != "$status $ready $reason" ]] || continue
		shown[$name]="$status $ready $reason"
		printf '    %-28s %-10s ready=%-8s %s\n' "$name" "$status" "$ready" "$reason"
	done < <(cells <<<"$1")
}

show() { if [[ -n $live ]]; then draw "$1"; else print_changes "$1"; fi; }

# watch_until SECONDS EXPECTATION...: shows the objects until each "NAMESPACE/NAME STATUS REASON" holds. False, and the
# first that doesn't in $unmet, when the time is up.
watch_until() {
	local until=$((SECONDS + $1)) text
	shift
	while :; do
		text=$(table)
		show "$text"
		unmet=$(first_unmet "$text" "$@")
		[[ -n $unmet ]] || return 0
		((SECONDS < until)) || return 1
		die_if_fallen
		sleep 0.2
	done
}

# first_unmet TABLE EXPECTATION...
first_unmet() {
	local now expectation
	now=$(cells <<<"$1" | awk '{ print $1, $2, $4 }')
	shift
	for expectation in "$@"; do
		grep -qxF -- "$expectation" <<<"$now" || {
			echo "$expectation"
			return
		}
	done
}
