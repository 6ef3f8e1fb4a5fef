#!/usr/bin/env bash
# Tests helm.sh against a mirror on loopback and a stand-in for Go. One line a case; the exit code says whether all
# passed.
# shellcheck disable=SC2329 # the cases are called by name
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/cases.sh
. "$here/../cases.sh"
target=$here/../../target
mkdir -p "$target"
work=$(cd "$target" && mktemp -d "$PWD/helm-test.XXXXXX")
version=$(sed -nE 's#.*helm.sh/helm/v4 (v[0-9.]+).*#\1#p' "$here/go.mod")
arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
archive=helm-$version-linux-$arch.tar.gz

clean_up() {
	kill "${mirror_pid:-}" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# A mirror whose Helm prints "downloaded", and the checksums of it.
make_mirror() {
	mkdir -p "$1/linux-$arch"
	printf '#!/bin/sh\necho downloaded\n' >"$1/linux-$arch/helm"
	chmod +x "$1/linux-$arch/helm"
	tar -czf "$1/$archive" -C "$1" "linux-$arch"
	(cd "$1" && sha256sum "$archive" >checksums)
}

# A Go of the given version whose builds print "built", and a PATH without Helm.
make_path() {
	local program
	mkdir bin
	for program in bash sh awk basename cat chmod curl cut dirname env flock grep gzip kill mkdir mktemp mv nice rm sed setpriv \
		sha256sum sleep tar uname; do
		ln -s "$(command -v "$program")" bin/
	done
	cat >bin/go <<-END
		#!/bin/bash
		[[ \$1 == build ]] || { echo $1; exit; }
		while [[ \$1 != -o ]]; do shift; done
		printf '#!/bin/sh\necho built\n' >"\$2"
		chmod +x "\$2"
	END
	chmod +x bin/go
}

# install MIRROR CHECKSUMS: leaves the answer in ./answer and the messages in ./messages.
install() {
	PATH=$PWD/bin XDG_CACHE_HOME=$PWD/cache HELM_DOWNLOADS=$1 HELM_CHECKSUMS=$2 \
		"$here/../helm.sh" >answer 2>messages
}

says() { grep -q -- "$1" messages || fail "no \"$1\" in: $(<messages)"; }

the_right_checksum_installs_and_the_next_run_downloads_nothing() {
	make_path go1.26.0
	install "$mirror" "$work/mirror/checksums"
	[[ $("$(<answer)") == downloaded ]]
	install http://127.0.0.1:1 /dev/null
	[[ $("$(<answer)") == downloaded ]]
}

a_wrong_checksum_refuses() {
	make_path go1.26.0
	sed 's/^./x/' "$work/mirror/checksums" >checksums
	not install "$mirror" "$PWD/checksums"
	says "refused: $archive has the wrong checksum"
	[[ ! -s answer && -z $(find cache -name helm -type f) ]]
}

no_pinned_checksum_and_no_network_fall_through_to_the_build() {
	make_path go1.26.0
	install "$mirror" /dev/null
	says "no checksum of $archive is pinned"
	[[ $("$(<answer)") == built ]]
	rm -r cache
	install http://127.0.0.1:1 "$work/mirror/checksums"
	[[ $("$(<answer)") == built ]]
}

an_old_go_is_named_with_what_is_needed() {
	make_path go1.25.9
	not install http://127.0.0.1:1 "$work/mirror/checksums"
	says "no Go 1.26 or newer"
}

the_release_in_go_mod_has_pinned_checksums() {
	local of
	for of in amd64 arm64; do
		grep -Eq "^[0-9a-f]{64}  helm-$version-linux-$of.tar.gz\$" "$here/checksums"
	done
}

make_mirror "$work/mirror"
: >"$work/mirror.log"
setpriv --pdeathsig KILL python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$work/mirror" >"$work/mirror.log" 2>/dev/null &
mirror_pid=$!
until mirror=$(sed -nE 's#.*(http://127.0.0.1:[0-9]+)/.*#\1#p' "$work/mirror.log") && [[ -n $mirror ]]; do sleep 0.1; done

run_cases \
	the_right_checksum_installs_and_the_next_run_downloads_nothing \
	a_wrong_checksum_refuses \
	no_pinned_checksum_and_no_network_fall_through_to_the_build \
	an_old_go_is_named_with_what_is_needed \
	the_release_in_go_mod_has_pinned_checksums
