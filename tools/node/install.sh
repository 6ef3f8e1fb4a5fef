#!/usr/bin/env bash
# Prints, as the only line on stdout, a folder that holds kubelet, kube-proxy and kube-scheduler, once this machine has
# all that run.sh takes: root, namespaces, and the Debian packages below, which are installed where apt-get is at hand.
#
# The exit code is 77 when something is missing that nobody can install from here, and stderr says what.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# A file of each package. nft: kube-proxy calls it. containerd brings runc.
declare -rA packages=([containerd]=/usr/bin/containerd [containernetworking-plugins]=/usr/lib/cni/bridge
	[nftables]=/usr/sbin/nft [buildah]=/usr/bin/buildah [iproute2]=/usr/sbin/ip [openssl]=/usr/bin/openssl
	[curl]=/usr/bin/curl [gcc]=/usr/bin/gcc [util-linux]=/usr/bin/nsenter)

say() { printf 'node: %s\n' "$*" >&2; }

unavailable() {
	say "no node can be run here: $*"
	exit 77
}

missing_packages() {
	local package
	for package in "${!packages[@]}"; do
		[[ -x ${packages[$package]} ]] || echo "$package"
	done
}

install_packages() {
	local missing
	mapfile -t missing < <(missing_packages)
	((${#missing[@]} > 0)) || return 0
	command -v apt-get >/dev/null || unavailable "there is no ${missing[*]} (the packages' names in Debian), nor apt-get"
	say "installing the Debian packages ${missing[*]}"
	apt_get update
	apt_get install --yes --no-install-recommends "${missing[@]}"
	mapfile -t missing < <(missing_packages)
	((${#missing[@]} == 0)) || unavailable "there is no ${missing[*]}, although apt-get has installed it"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 "$@" </dev/null >&2 || unavailable "apt-get $1 failed"; }

[[ $(uname -s) == Linux ]] || unavailable "this is not Linux"
((EUID == 0)) || unavailable "it takes root (kubelet and containerd mount, and make namespaces and cgroups)"
install_packages
unshare --net --mount --pid --cgroup --uts --ipc --fork true ||
	unavailable "this root may not make namespaces (a container without privileges?)"
"$here/../control-plane/install.sh" node
