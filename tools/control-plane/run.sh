#!/usr/bin/env bash
# Usage: run.sh DIR
#
# A real control plane (etcd, kube-apiserver, kube-controller-manager) on free loopback
# ports, for as long as this script runs. DIR must be new or empty. Prints "ready" when
# it is; then there are
#
#   DIR/kubeconfig           the administrator's, with the CA that verifies the server
#   DIR/audit.log            one JSON line for each answered request (level Metadata)
#   DIR/NAME.pid, NAME.log   of each of the three
#
# It ends, and with it everything it started, when its standard input ends (a test that
# holds the other end of a pipe needs to do nothing more; "< /dev/null" ends it at once),
# on TERM and on INT. kill -9 leaves nothing running either. When one of the three dies
# by itself, the end of its log is shown and the exit code is 1. USR1 kills the API
# server with -9, starts it again on the same port, and "ready" is printed again.
#
# CONTROL_PLANE_BIN is the folder with the binaries; without it, install.sh's. API_SERVER_FLAGS are further flags for
# kube-apiserver, such as --feature-gates=WatchList=false.
# There is no scheduler and no kubelet: Pods are made and stay Pending.
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
declare -A pids=()
restart_wanted=

say() { printf 'control-plane: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# The shell's messages about the children that it kills are dropped, however late they come.
# shellcheck disable=SC2329 # the EXIT trap calls it
end_all() {
	exec 2>/dev/null
	((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" || true
	wait
}

# Waits, and ends this script when standard input has ended.
pause() {
	local status=0
	read -r -t "$1" _ || status=$?
	((status == 0 || status > 128)) || exit 0
}

# The kernel ends the child when this script dies, whatever it dies of.
start() {
	local name=$1
	shift
	setpriv --pdeathsig KILL "$bin/$name" "$@" </dev/null >>"$dir/$name.log" 2>&1 &
	pids[$name]=$!
	echo $! >"$dir/$name.pid"
}

stop() {
	kill -KILL "${pids[$1]}" || true
	wait "${pids[$1]}" || true
	unset "pids[$1]"
} 2>/dev/null

# The first that has died by itself, if any.
fallen() {
	local name
	for name in "${!pids[@]}"; do
		kill -0 "${pids[$name]}" 2>/dev/null || {
			echo "$name"
			return
		}
	done
}

port_was_taken() { grep -q 'address already in use' "$dir/$1.log"; }

report_death() {
	tail -n 20 "$dir/$1.log" >&2
	die "$1 has died; the end of $dir/$1.log stands above"
}

# Below the ports that the kernel hands out for port 0. Somebody may take it before we
# do: then we start again with others.
free_port() {
	local port
	while port=$((20000 + SRANDOM % 10000)) && (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# A CA and a leaf, not one self-signed certificate: rustls takes no CA for a server.
make_keys() {
	local subject_names=IP:127.0.0.1,DNS:localhost,IP:10.0.0.1,DNS:kubernetes.default.svc
	mkdir "$keys"
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=control-plane-ca \
		-keyout "$keys/ca.key" -out "$keys/ca.crt" 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver \
		-keyout "$keys/server.key" -out "$keys/server.csr" 2>/dev/null
	openssl x509 -req -in "$keys/server.csr" -days 3650 -CA "$keys/ca.crt" -CAkey "$keys/ca.key" -CAcreateserial \
		-extfile <(echo "subjectAltName=$subject_names") -out "$keys/server.crt" 2>/dev/null
	openssl genrsa -out "$keys/sa.key" 2048 2>/dev/null
	openssl rsa -in "$keys/sa.key" -pubout -out "$keys/sa.pub" 2>/dev/null
}

make_tokens() {
	admin_token=$(openssl rand -hex 16)
	manager_token=$(openssl rand -hex 16)
	cat >"$keys/tokens.csv" <<-END
		$admin_token,admin,admin,system:masters
		$manager_token,kube-controller-manager,kube-controller-manager,system:masters
	END
}

kubeconfig() {
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: control-plane
		contexts:
		  - name: control-plane
		    context: {cluster: control-plane, user: $1}
		clusters:
		  - name: control-plane
		    cluster:
		      server: https://127.0.0.1:$api_port
		      certificate-authority-data: $(base64 -w0 "$keys/ca.crt")
		users:
		  - name: $1
		    user: {token: $2}
	END
}

start_etcd() {
	local client=http://127.0.0.1:$etcd_port peer
	peer=http://127.0.0.1:$(free_port)
	start etcd --data-dir "$dir/etcd" --unsafe-no-fsync \
		--listen-client-urls "$client" --advertise-client-urls "$client" \
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
}

# endpoint-reconciler-type: with another one it refuses to advertise a loopback address.
# audit-log-maxsize: the log would be rotated at 100 MB, while its lines are being counted.
start_api_server() {
	local flags
	read -ra flags <<<"${API_SERVER_FLAGS:-}"
	start kube-apiserver "${flags[@]}" --etcd-servers="http://127.0.0.1:$etcd_port" \
		--bind-address=127.0.0.1 --secure-port="$api_port" --endpoint-reconciler-type=none \
		--tls-cert-file="$keys/server.crt" --tls-private-key-file="$keys/server.key" \
		--token-auth-file="$keys/tokens.csv" --authorization-mode=RBAC --allow-privileged=true \
		--service-account-issuer="https://127.0.0.1:$api_port" --service-account-key-file="$keys/sa.pub" \
		--service-account-signing-key-file="$keys/sa.key" --service-cluster-ip-range=10.0.0.0/24 \
		--audit-policy-file="$here/audit-policy.yaml" --audit-log-path="$dir/audit.log" --audit-log-maxsize=100000
}

start_controller_manager() {
	kubeconfig kube-controller-manager "$manager_token" >"$keys/controller-manager.kubeconfig"
	start kube-controller-manager --kubeconfig="$keys/controller-manager.kubeconfig" \
		--leader-elect=false --secure-port=0 \
		--service-account-private-key-file="$keys/sa.key" --root-ca-file="$keys/ca.crt"
}

get() {
	curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null --cacert "$keys/ca.crt" \
		--header "Authorization: Bearer $admin_token" "https://127.0.0.1:$api_port$1"
}

# False when one of the three has died on the way.
wait_for() {
	until get "$1"; do
		[[ -z $(fallen) ]] || return 1
		pause 0.1
	done
}

start_on_free_ports() {
	local tries dead
	for tries in 1 2 3 4 5; do
		etcd_port=$(free_port)
		api_port=$(free_port)
		start_etcd
		start_api_server
		wait_for /readyz && return
		dead=$(fallen)
		port_was_taken "$dead" || report_death "$dead"
		say "$dead found its port taken (try $tries)"
		stop kube-apiserver
		stop etcd
		rm -rf "$dir"/etcd "$dir"/*.log
	done
	die "found no free ports"
}

restart_api_server() {
	restart_wanted=
	stop kube-apiserver
	start_api_server
	wait_for /readyz || report_death "$(fallen)"
	echo ready
}

(($# == 1)) || die "usage: run.sh DIR"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
keys=$dir/keys
[[ -z $(ls -A "$dir") ]] || die "$dir is not empty"
bin=${CONTROL_PLANE_BIN:-$("$here/install.sh")}

trap end_all EXIT
trap 'exit 0' INT TERM
trap 'restart_wanted=1' USR1
make_keys
make_tokens
start_on_free_ports
start_controller_manager
# Its arrival says that the namespace is there and the controllers are at work.
wait_for /api/v1/namespaces/default/serviceaccounts/default || report_death "$(fallen)"
kubeconfig admin "$admin_token" >"$dir/kubeconfig.partial"
mv "$dir/kubeconfig.partial" "$dir/kubeconfig"
echo ready

while dead=$(fallen) && [[ -z $dead ]]; do
	[[ -z $restart_wanted ]] || restart_api_server
	pause 0.2
done
report_death "$dead"
