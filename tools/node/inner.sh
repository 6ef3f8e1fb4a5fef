#!/usr/bin/env bash
# Usage: inner.sh DIR ADDRESS CGROUP, as the first process of namespaces of its own (run.sh)
#
# Starts a control plane and a node, makes DIR/ready when Pods can run, and ends when one of them ends; the kernel ends
# the others. All state lies on a tmpfs of its own mount namespace; DIR gets kubeconfig, audit.log and log/.
set -euo pipefail
# Containers' files get what is left of their rights.
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly dir=$1 address=$2 cgroup=$3
readonly state=/run/node socket=/run/containerd/containerd.sock
readonly services=10.96.0 pods=10.78.0.0/24 api=https://127.0.0.1:6443
declare -A names=()

start() {
	local name=$1
	shift
	"$name" "$@" </dev/null >"$dir/log/$name.log" 2>&1 &
	names[$!]=$name
	echo $! >"$state/$name.pid"
}

# --- the machine, as only these namespaces see it ------------------------------------

# The kubelet and runc want shared mounts; what is shared here is shared in here only.
mount_all() {
	mount --make-rshared /
	mount -t sysfs sysfs /sys
	mount -t tmpfs tmpfs /run
	mkdir "$state"
	if grep -q '^memory[[:space:]]*[1-9]' /proc/cgroups; then mount_cgroups_v1; else mount_cgroup_v2; fi
}

# A cgroup of our own in each hierarchy: two kubelets with one parent would end each other's Pods.
mount_cgroups_v1() {
	local name
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	for name in cpu cpuacct cpuset memory devices freezer blkio pids; do
		mkdir "/sys/fs/cgroup/$name"
		mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
		mkdir "/sys/fs/cgroup/$name/$cgroup"
	done
	mkdir /sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
	mkdir "/sys/fs/cgroup/systemd/$cgroup"
}

# Not tried yet. The first process moves out of the way: with controllers for its children a cgroup may hold none itself.
mount_cgroup_v2() {
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir /sys/fs/cgroup/init "/sys/fs/cgroup/$cgroup"
	echo $$ >/sys/fs/cgroup/init/cgroup.procs
	sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
}

start_network() {
	hostname node
	ip link set lo up
	ip address add "$address/32" dev lo
	# Without a default route the node itself would not find the way to Services.
	ip route add "$services.0/24" dev lo src "$address"
	echo 1 >/proc/sys/net/ipv4/ip_forward
}

# --- keys and tokens ----------------------------------------------------------------

make_certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile <(echo "$3") -out "$1.crt"
} 2>/dev/null

make_keys() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=node-ca \
		-keyout ca.key -out ca.crt 2>/dev/null
	make_certificate kubelet-client /O=system:masters/CN=kube-apiserver basicConstraints=CA:FALSE
	make_certificate api /CN=kube-apiserver \
		"subjectAltName=IP:127.0.0.1,IP:$address,IP:$services.1,DNS:kubernetes.default.svc"
	openssl genrsa -out accounts.key 2048 2>/dev/null
	openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
}

# add_user FILE NAME GROUP: a kubeconfig, and a line for the API server.
add_user() {
	local token
	token=$(openssl rand -hex 16)
	echo "$token,$2,$2,\"$3\"" >>tokens.csv
	cat >"$1" <<-END
		apiVersion: v1
		kind: Config
		current-context: node
		contexts: [{name: node, context: {cluster: node, user: "$2"}}]
		clusters: [{name: node, cluster: {server: "$api", certificate-authority-data: $(base64 -w0 ca.crt)}}]
		users: [{name: "$2", user: {token: $token}}]
	END
}

add_users() {
	add_user "$dir/kubeconfig" admin system:masters
	add_user kubelet.kubeconfig system:node:node system:nodes
	add_user manager.kubeconfig system:kube-controller-manager ''
	add_user scheduler.kubeconfig system:kube-scheduler ''
	add_user proxy.kubeconfig system:kube-proxy ''
}

# --- the control plane --------------------------------------------------------------

# shellcheck disable=SC2317,SC2329 # await calls it
kube() { KUBECONFIG=$dir/kubeconfig kubectl --cache-dir "$state/kubectl" "$@"; }

await() {
	local what=$1
	shift
	for _ in {1..600}; do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "waited too long for $what"
	return 1
}

start_api_server() {
	start etcd --data-dir etcd --unsafe-no-fsync
	start kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$address" \
		--tls-cert-file=api.crt --tls-private-key-file=api.key --token-auth-file=tokens.csv \
		--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
		--service-cluster-ip-range="$services.0/24" --service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file=accounts.pub --service-account-signing-key-file=accounts.key \
		--kubelet-client-certificate=kubelet-client.crt --kubelet-client-key=kubelet-client.key \
		--kubelet-preferred-address-types=InternalIP \
		--audit-policy-file="$here/../control-plane/audit-policy.yaml" --audit-log-path="$dir/audit.log" \
		--audit-log-maxsize=100000
}

# kube-api-qps: with the default 20 the first Deployment waits 5 s until all controllers are there.
start_controllers() {
	start kube-controller-manager --kubeconfig=manager.kubeconfig --leader-elect=false --secure-port=0 \
		--use-service-account-credentials=true --kube-api-qps=500 --kube-api-burst=1000 \
		--service-account-private-key-file=accounts.key --root-ca-file=ca.crt
	start kube-scheduler --kubeconfig=scheduler.kubeconfig --leader-elect=false --secure-port=0
}

# --- the node -----------------------------------------------------------------------

# oom_score: without CAP_SYS_RESOURCE no process may lower the score of another process.
start_containerd() {
	mkdir cni
	cat >cni/pods.conflist <<-END
		{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
		  "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
		  "ipam": {"type": "host-local", "dataDir": "$state/addresses", "ranges": [[{"subnet": "$pods"}]]}
		}]}
	END
	cat >containerd.toml <<-END
		version = 2
		root = "$state/containerd"
		state = "/run/containerd"
		oom_score = 0
		[grpc]
		  address = "$socket"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".cni]
		  bin_dir = "/usr/lib/cni"
		  conf_dir = "$state/cni"
	END
	start containerd --config containerd.toml
}

# There is no registry: the image that every Pod begins with is made here.
make_pause_image() {
	local -r store=(--storage-driver vfs --root "$state/buildah" --runroot "$state/buildah-run")
	local container
	gcc -Os -static -s -o pause "$here/pause.c"
	container=$(buildah "${store[@]}" from scratch)
	buildah "${store[@]}" copy "$container" pause /pause
	buildah "${store[@]}" config --entrypoint '["/pause"]' --user 65535:65535 "$container"
	buildah "${store[@]}" commit --quiet "$container" oci-archive:pause.tar:localhost/pause:1
	rm -rf buildah
}

start_kubelet() {
	: >resolv.conf
	cat >kubelet.yaml <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: /$cgroup
		cgroupsPerQOS: true
		containerRuntimeEndpoint: unix://$socket
		authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/ca.crt}}
		authorization: {mode: Webhook}
		resolvConf: $state/resolv.conf
		oomScoreAdj: 0
		makeIPTablesUtilChains: false
		seccompDefault: true
		failSwapOn: false
		# A full disk must not make it delete images that can't be pulled again.
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
		nodeStatusUpdateFrequency: 2s
	END
	start kubelet --config=kubelet.yaml --kubeconfig=kubelet.kubeconfig --root-dir="$state/kubelet" \
		--cert-dir="$state/kubelet/pki" --hostname-override=node --node-ip="$address"
}

# conntrack: its limits belong to the machine, and can't be set from here.
start_kube_proxy() {
	cat >proxy.yaml <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: nftables
		clientConnection: {kubeconfig: $state/proxy.kubeconfig}
		hostnameOverride: node
		clusterCIDR: $pods
		conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	END
	start kube-proxy --config=proxy.yaml
}

# shellcheck disable=SC2317,SC2329 # await calls it
node_is_ready() { [[ $(kube get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]; }

# --- all of it ----------------------------------------------------------------------

mount_all
start_network
cd "$state"
make_keys
add_users
start_api_server
start_containerd
make_pause_image
await containerd ctr --address "$socket" version
ctr --address "$socket" --namespace k8s.io images import pause.tar
await "the API server" kube get --raw /readyz
start_controllers
start_kubelet
start_kube_proxy
await "the node" node_is_ready
await "the controllers" kube get serviceaccount default
touch "$dir/ready"

status=0
wait -n -p fallen || status=$?
echo "${names[$fallen]} has ended with exit code $status; the end of its log:"
tail -n 20 "$dir/log/${names[$fallen]}.log"
exit 1
