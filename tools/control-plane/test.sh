#!/usr/bin/env bash
# Tests install.sh against a mirror on loopback and a stand-in for Go, and run.sh with
# the real binaries. One line a case; the exit code says whether all passed.
# shellcheck disable=SC2329 # the cases are called by name
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/cases.sh
. "$here/../cases.sh"
target=$here/../../target
real_binaries=$("$here/install.sh") || exit 1
mkdir -p "$target"
work=$(cd "$target" && mktemp -d "$PWD/control-plane-test.XXXXXX")

clean_up() {
	kill "${mirror_pid:-}" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- install.sh -------------------------------------------------------------------

kubernetes=v$(sed -nE 's#^require k8s.io/kubernetes v([0-9.]+).*#\1#p' "$here/go.mod")
etcd=v$(sed -nE 's#^require go.etcd.io/etcd/server/v3 v([0-9.]+).*#\1#p' "$here/go.mod")
arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
archive=kubernetes-server-linux-$arch.tar.gz
envtest=$(sed -nE 's/^readonly envtest=(v[0-9.]+)$/\1/p' "$here/install.sh")
envtest_archive=envtest-$envtest/envtest-$envtest-linux-$arch.tar.gz

# Usage: make_program FILE. A program that prints "downloaded", or the version of etcd where it is asked for one.
make_program() {
	cat >"$1" <<-END
		#!/bin/sh
		[ "\$1" = --version ] && echo "etcd Version: ${etcd_says:-${etcd#v}}" || echo downloaded
	END
	chmod +x "$1"
}

# A mirror of such programs, with checksums that hold.
make_mirror() {
	local name kubernetes_programs=$1/$kubernetes/kubernetes/server/bin envtest_programs=$1/envtest-$envtest/controller-tools/envtest
	mkdir -p "$kubernetes_programs" "$envtest_programs"
	for name in kube-apiserver kube-controller-manager kubectl kubelet kube-proxy kube-scheduler; do
		make_program "$kubernetes_programs/$name"
	done
	make_program "$envtest_programs/etcd"
	tar -czf "$1/$kubernetes/$archive" -C "$1/$kubernetes" kubernetes
	tar -czf "$1/$envtest_archive" -C "$1/envtest-$envtest" controller-tools
	(cd "$1" && sha512sum "$kubernetes/$archive" "$envtest_archive" >checksums)
}

# A Go of the given version whose builds print "built" and are listed in ./builds; that
# of etcd takes so many seconds.
make_go() {
	mkdir -p bin
	cat >bin/go <<-END
		#!/bin/bash
		[[ \$1 == build ]] || { echo $1; exit; }
		while [[ \$1 != -o ]]; do shift; done
		echo "\$2" >>'$PWD/builds'
		printf '#!/bin/sh\necho bu' >"\$2"
		[[ \$2 != */etcd ]] || sleep ${2:-0}
		printf 'ilt\n' >>"\$2"
		chmod +x "\$2"
	END
	chmod +x bin/go
}

# install MIRROR [node]: leaves the answer in ./answer and the messages in ./messages.
install() {
	PATH=$PWD/bin:$PATH XDG_CACHE_HOME=$PWD/cache KUBEBUILDER_ASSETS=${assets:-} \
		KUBERNETES_DOWNLOADS=$mirror/$1 ENVTEST_DOWNLOADS=$mirror/$1 CONTROL_PLANE_HEARTBEAT=1 \
		CONTROL_PLANE_CHECKSUMS=${checksums:-$mirror_root/right/checksums} \
		"$here/install.sh" "${@:2}" >answer 2>messages
}

all_say() {
	local name
	for name in etcd kube-apiserver kube-controller-manager kubectl; do
		[[ $("$(<answer)/$name") == "$1" ]] || fail "$name is not $1"
	done
}

only_the_answer_is_left() { [[ $(find "$PWD/cache" -mindepth 3 -maxdepth 3 -not -name lock) == "$(<answer)" ]]; }

nothing_is_left() { [[ -z $(find cache -mindepth 3 -not -name lock) ]] || fail "left: $(find cache)"; }

says() { grep -q -- "$1" messages || fail "no \"$1\" in: $(<messages)"; }

right_checksums_install() {
	make_go go1.26.0
	install right
	all_say downloaded
	not test -e builds
	only_the_answer_is_left
}

second_run_asks_nobody() {
	make_go go1.26.0
	install right
	install nowhere
	all_say downloaded
	not test -s messages
}

wrong_checksum_refuses() {
	make_go go1.26.0
	not install wrong-kubernetes
	says "refused: $archive has the wrong checksum"
	says "expected sha512 $(cut -d' ' -f1 "$mirror_root/right/checksums")"
	says "got      sha512 $(sha512sum "$mirror_root/wrong-kubernetes/$kubernetes/$archive" | cut -d' ' -f1)"
	not test -s answer
	not test -e builds
	nothing_is_left
}

wrong_checksum_of_etcd_refuses() {
	make_go go1.26.0
	not install wrong-etcd
	says "refused: envtest-.* has the wrong checksum"
	not test -e builds
	nothing_is_left
}

another_etcd_falls_through_to_the_build() {
	make_go go1.26.0
	checksums=$mirror_root/other-etcd/checksums install other-etcd
	all_say built
	says "has another etcd than $etcd"
}

a_release_without_a_pinned_checksum_falls_through_to_the_build() {
	make_go go1.26.0
	checksums=/dev/null install right
	all_say built
	says "no checksum of $kubernetes/$archive is pinned"
}

the_release_in_go_mod_has_pinned_checksums() {
	local of
	for of in amd64 arm64; do
		grep -Eq "^[0-9a-f]{128}  $kubernetes/kubernetes-server-linux-$of.tar.gz\$" "$here/checksums"
		grep -Eq "^[0-9a-f]{128}  envtest-$envtest/envtest-$envtest-linux-$of.tar.gz\$" "$here/checksums"
	done
}

not_found_falls_through_to_the_build() {
	make_go go1.26.0
	install nowhere
	all_say built
	says "building kube-apiserver from source (2 of 4"
}

no_network_falls_through_to_the_build() {
	make_go go1.26.0
	mirror=http://127.0.0.1:1 install right
	all_say built
}

an_old_go_is_named_with_what_is_needed() {
	make_go go1.25.9
	not install nowhere
	says "no Go 1.26 or newer"
	nothing_is_left
}

a_build_says_what_it_is_doing() {
	make_go go1.26.0 1.5
	install nowhere
	says "building etcd from source .*: at it for 1 s"
}

a_killed_run_leaves_nothing_that_counts_as_complete() {
	make_go go1.26.0 5
	install nowhere &
	until [[ -s builds ]]; do sleep 0.1; done
	pkill -KILL -P $!
	not wait $!
	[[ -n $(find cache -name etcd) ]] || fail "it was killed too early"
	make_go go1.26.0
	install nowhere
	all_say built
	only_the_answer_is_left
}

an_ended_run_cleans_up() {
	make_go go1.26.0 30
	install nowhere &
	until [[ -s builds ]]; do sleep 0.1; done
	pkill -TERM -P $!
	not wait $!
	nothing_is_left
	not pgrep -f "$PWD/bin/go"
}

an_incomplete_place_is_made_anew() {
	make_go go1.26.0
	install right
	rm "$(<answer)/kubectl"
	install nowhere
	all_say built
}

two_runs_build_once() {
	make_go go1.26.0 1
	mkdir cache second
	ln -s ../bin ../cache second
	(cd second && install nowhere) &
	install nowhere
	wait $!
	all_say built
	diff <(realpath "$(<answer)") <(realpath "$(<second/answer)")
	[[ $(wc -l <builds) == 4 ]]
}

complete_assets_are_taken() {
	make_go go1.26.0
	install right
	assets=$(<answer)
	rm -f messages
	install nowhere
	[[ $(<answer) == "$assets" ]]
	not test -s messages
}

assets_without_a_controller_manager_are_not_taken() {
	make_go go1.26.0
	mkdir assets
	touch assets/etcd assets/kube-apiserver assets/kubectl
	chmod +x assets/*
	assets=$PWD/assets install right
	all_say downloaded
	says "there is no kube-controller-manager in"
}

a_nodes_binaries_lie_in_a_folder_of_their_own() {
	local name control_plane
	make_go go1.26.0
	install right
	control_plane=$(<answer)
	install right node
	for name in kubelet kube-proxy kube-scheduler; do
		[[ $("$(<answer)/$name") == downloaded ]] || fail "$name is not downloaded"
		not test -e "$control_plane/$name"
	done
	not test -e "$(<answer)/etcd"
}

a_nodes_binaries_are_built_where_they_cant_be_downloaded() {
	make_go go1.26.0
	install nowhere node
	[[ $("$(<answer)/kubelet") == built ]]
	[[ $(wc -l <builds) == 3 ]]
}

# --- run.sh -----------------------------------------------------------------------

# A control plane in ./cp; its ready line is awaited.
start() {
	coproc supervisor { CONTROL_PLANE_BIN=$real_binaries exec "$here/run.sh" cp 2>messages; }
	input=${supervisor[1]}
	exec {output}<&"${supervisor[0]}"
	pid=$!
	ready_again
	children=$(cat cp/*.pid)
}

ready_again() {
	local line
	read -r -t 60 line <&"$output" || fail "not ready: $(<messages)"
	[[ $line == ready ]]
}

kube() { "$real_binaries/kubectl" --kubeconfig cp/kubeconfig "$@"; }

# A zombie that is not reaped yet does not count.
runs() { grep -Eqs '^State:[[:space:]]+[^Z[:space:]]' "/proc/$1/status"; }

# The exit code of the control plane, which is to end within ten seconds.
ended() {
	local deadline=$((SECONDS + 10))
	while runs "$pid"; do
		((SECONDS < deadline)) || fail "it goes on"
		sleep 0.1
	done
	wait "$pid"
}

none_is_left() {
	local child
	for child in $children; do
		not runs "$child"
	done
}

it_ends_on_term() {
	start
	local before
	before=$(<messages) # it says so when it found a port taken
	kill -TERM "$pid"
	ended
	none_is_left
	[[ $(<messages) == "$before" ]] || fail "it said as it ended: $(<messages)"
}

kill_9_leaves_nothing_running() {
	start
	kill -KILL "$pid"
	sleep 1
	none_is_left
}

it_serves_checks_rights_and_ends_with_its_input() {
	start
	[[ $(wc -w <<<"$children") == 3 ]]
	kube create namespace demo
	kube --namespace demo create serviceaccount nobody
	local token
	token=$(kube --namespace demo create token nobody)
	sed "s/token: .*/token: $token}/" cp/kubeconfig >nobody
	[[ $("$real_binaries/kubectl" --kubeconfig nobody auth can-i list secrets) == no ]]
	grep '"subresource":"token"' cp/audit.log | grep '"username":"admin"' | grep -q '"name":"nobody"'
	exec {input}>&-
	ended
	none_is_left
}

usr1_restarts_the_api_server_on_its_port() {
	start
	local before
	before=$(<cp/kube-apiserver.pid)
	kube create namespace kept
	kill -USR1 "$pid"
	ready_again
	not runs "$before"
	kube get namespace kept
	children=$(cat cp/*.pid)
	exec {input}>&-
	ended
	none_is_left
}

a_death_is_reported() {
	start
	kill -KILL "$(<cp/kube-apiserver.pid)"
	not ended
	says "kube-apiserver has died"
	none_is_left
}

a_used_folder_is_refused() {
	mkdir cp
	touch cp/something
	not "$here/run.sh" cp 2>messages
	says "cp is not empty"
}

# --- all of them ------------------------------------------------------------------

mirror_root=$work/mirror
make_mirror "$mirror_root/right"
etcd_says=3.0.0 make_mirror "$mirror_root/other-etcd"
for flavour in wrong-kubernetes wrong-etcd; do cp -a "$mirror_root/right" "$mirror_root/$flavour"; done
echo >>"$mirror_root/wrong-kubernetes/$kubernetes/$archive"
echo >>"$mirror_root/wrong-etcd/$envtest_archive"

setpriv --pdeathsig KILL python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$mirror_root" >"$work/mirror.log" 2>/dev/null &
mirror_pid=$!
until grep -q ' port ' "$work/mirror.log"; do sleep 0.1; done
mirror=http://127.0.0.1:$(grep -oE 'port [0-9]+' "$work/mirror.log" | cut -d' ' -f2)

run_cases \
	right_checksums_install \
	second_run_asks_nobody \
	wrong_checksum_refuses \
	wrong_checksum_of_etcd_refuses \
	another_etcd_falls_through_to_the_build \
	a_release_without_a_pinned_checksum_falls_through_to_the_build \
	the_release_in_go_mod_has_pinned_checksums \
	not_found_falls_through_to_the_build \
	no_network_falls_through_to_the_build \
	an_old_go_is_named_with_what_is_needed \
	a_build_says_what_it_is_doing \
	a_killed_run_leaves_nothing_that_counts_as_complete \
	an_ended_run_cleans_up \
	an_incomplete_place_is_made_anew \
	two_runs_build_once \
	complete_assets_are_taken \
	assets_without_a_controller_manager_are_not_taken \
	a_nodes_binaries_lie_in_a_folder_of_their_own \
	a_nodes_binaries_are_built_where_they_cant_be_downloaded \
	it_ends_on_term \
	kill_9_leaves_nothing_running \
	it_serves_checks_rights_and_ends_with_its_input \
	usr1_restarts_the_api_server_on_its_port \
	a_death_is_reported \
	a_used_folder_is_refused
