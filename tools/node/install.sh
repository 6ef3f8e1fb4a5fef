#!/usr/bin/env bash
# Prints, as the only line on stdout, a folder that holds kubelet, kube-proxy and kube-scheduler, once this machine has
# all that run.sh takes: root, namespaces, and the Debian packages below, which are installed where apt-get is at hand.
#
# The exit code is 77 when something is missing that can't be installed from here, and stderr says what.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# A file of each package. nft: kube-proxy calls it. containerd brings runc.
readonly packages=(containerd=/usr/bin/containerd containernetworking-plugins=/usr/lib/cni/bridge nftables=/usr/sbin/nft
	buildah=/usr/bin/buildah iproute2=/usr/sbin/ip openssl=/usr/bin/openssl curl=/usr/bin/curl gcc=/usr/bin/gcc
	util-linux=/usr/bin/nsenter)

say() { printf 'node: %s\n' "$*" >&2; }

unavailable() {
	say "no node can be run here: $*"
	exit 77
}

[[ $(uname -s) == Linux ]] || unavailable "this is not Linux"
((EUID == 0)) || unavailable "it takes root (kubelet and containerd mount, and make namespaces and cgroups)"
"$here/../debian.sh" "${packages[@]}"
unshare --net --mount --pid --cgroup --uts --ipc --fork true ||
	unavailable "this root may not make namespaces (a container without privileges?)"
"$here/../control-plane/install.sh" node
