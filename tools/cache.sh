# shellcheck shell=bash disable=SC2154 # variables of the script that sources this
# How a tool is got once and kept in a cache outside the checkout, where the next clone finds it. It is made in a folder
# beside its place and moved there when complete, so that what lies in that place is never half made.
#
# Sourced by the scripts that get a tool. Uses $name (for messages), $cache (the folder), $place (this version's folder in
# it), $complete (a program in $place), $answer (what is printed once that is there), and, for builds, $here (the folder
# of go.mod). Sets $partial.

readonly heartbeat=30

say() { printf '%s: %s\n' "$name" "$*" >&2; }

die() {
	say "$*"
	exit 1
}

answer_if_cached() {
	[[ ! -x $complete ]] || {
		echo "$answer"
		exit
	}
}

# Asked inside the module, so that a Go that can fetch newer toolchains may do so.
go_is_new_enough() {
	local go
	go=$(cd "$here" && go env GOVERSION 2>/dev/null) || return 1
	[[ $go =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 26))
}

# From here on this run is alone. Another one may have filled the cache meanwhile.
lock_cache() {
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock --nonblock 9 || {
		say "another run is at it: waiting for its result"
		flock 9
	}
	answer_if_cached
}

# Makes $partial/complete, which is to become $place. Whoever holds the lock is alone: what lies there killed runs left.
begin_to_fill() {
	rm -rf "$place" "$cache"/partial.*
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	partial=$(mktemp -d "$cache/partial.XXXXXX")
	mkdir "$partial/complete"
}

# go_build FLAGS PACKAGE: the program $complete. In the background and in a process group of its own, so that a signal is
# answered at once and ends all of it.
go_build() {
	local start=$SECONDS next=$heartbeat
	set -m
	go_build_alone "$@" </dev/null >&2 9>&- &
	job=$!
	set +m
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.2
		if ((SECONDS - start >= next)); then
			say "building: at it for $((SECONDS - start)) s"
			next=$((next + heartbeat))
		fi
	done
	local finished=$job
	job=
	wait "$finished"
}

go_build_alone() {
	cd "$here" || exit
	CGO_ENABLED=0 GOWORK=off GOTMPDIR=$partial exec setpriv --pdeathsig KILL nice go build -mod=readonly -trimpath \
		-ldflags "$1" -o "$partial/complete/${complete##*/}" "$2"
}

clean_up() {
	if [[ -n ${job:-} ]]; then
		kill -- "-$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
		# Its compilers write until they are gone, and what is written to can't be removed.
		while kill -0 -- "-$job" 2>/dev/null; do sleep 0.1; done
	fi
	[[ -z ${partial:-} ]] || rm -rf "$partial"
}

# What was made becomes what is there, and the answer.
finish() {
	mv -T "$partial/complete" "$place"
	answer_if_cached
	die "$complete was not made"
}
