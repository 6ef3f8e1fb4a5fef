#!/usr/bin/env bash
# One export after the other from `kubectl apply` to the ZIP, without AWS and without a cluster: a real control plane
# (etcd, kube-apiserver, kube-controller-manager), the operator as the ServiceAccount of examples/install.yaml, and the
# simulator of Amazon GameLift Streams with its S3. The exit code is 0 when every export came out as it should.
#
#   KEEP=1   leaves everything up, in the foreground, until Ctrl-C, and prints how to play with it
#
# Everything that it writes lies in target/demo (and in the cache, when the control plane has to be built first).
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
dir=$target/demo/$$
outcome=wrong unmet=

# shellcheck source=tools/demo/processes.sh
. tools/demo/processes.sh
# shellcheck source=tools/demo/aws.sh
. tools/demo/aws.sh
# shellcheck source=tools/demo/show.sh
. tools/demo/show.sh
# shellcheck source=tools/demo/verdict.sh
. tools/demo/verdict.sh

readonly operator_namespace=session-export-operator group=sg-1AB2C3De4 ci_group=sg-5FG6H7Ij8 policy_group=sg-9JK0L1Mn2

# --- ground -----------------------------------------------------------------------

need() {
	local name missing=()
	for name in awk cargo curl openssl setpriv; do
		command -v "$name" >/dev/null || missing+=("$name")
	done
	command -v python3 >/dev/null || command -v unzip >/dev/null || missing+=("python3 (or unzip)")
	((${#missing[@]} == 0)) || die "missing on this machine: ${missing[*]}"
	curl --help all | grep -q -- --aws-sigv4 || die "curl is too old: 7.75 or newer signs requests for AWS"
}

# The caller's own AWS account, cluster, proxies and settings have no part in this.
forget_the_callers_settings() {
	unset "${!AWS_@}" "${!GAMELIFTSTREAMS_SIMULATOR_@}" "${!SESSION_EXPORT_@}" LOG_FORMAT RUST_LOG
	export NO_PROXY='*' no_proxy='*' KUBERC=off KUBECACHEDIR=$dir/kubectl-cache KUBECONFIG=$dir/control-plane/kubeconfig
}

# What runs that were killed have left behind, and logs of those that failed.
make_room() {
	local old
	mkdir -p "$target/demo"
	for old in "$target"/demo/*; do
		[[ ! -d $old ]] || kill -0 "${old##*/}" 2>/dev/null || rm -rf "$old"
	done
	mkdir "$dir"
}

# shellcheck disable=SC2329 # the EXIT trap calls it
clean_up() {
	trap '' INT TERM HUP
	stop_all
	if [[ $outcome == wrong ]]; then
		echo "demo: the logs are in $dir until the next run" >&2
	else
		rm -rf "$dir"
	fi
}

# shellcheck disable=SC2329 # traps call it
interrupted() {
	outcome=interrupted
	exit "$1"
}

# --- what runs --------------------------------------------------------------------

build() {
	attended tools/build.sh
	attended tools/control-plane/install.sh >"$dir/control-plane-bin"
	CONTROL_PLANE_BIN=$(<"$dir/control-plane-bin")
	PATH=$CONTROL_PLANE_BIN:$PATH
	export CONTROL_PLANE_BIN
}

start_simulator() {
	start simulator "$target/debug/gameliftstreams-simulator" --port 0 --s3-port 0 --s3-folder "$dir/s3" \
		--group "$group" --group "$ci_group" --group "$policy_group" --journal "$dir/journal.jsonl" --upload-delay-ms 1000
}

await_simulator() {
	local line=
	until [[ $line =~ \"aws\":\"([^\"]+)\".*\"s3\":\"([^\"]+)\" ]]; do
		die_if_fallen
		sleep 0.05
		line=$(<"$dir/simulator.out")
	done
	aws_url=${BASH_REMATCH[1]}
	s3_url=${BASH_REMATCH[2]}
}

# There is no kubelet that would run Pods, so the Deployment gets none; the operator's process is started below.
install_operator() {
	sed 's/^  replicas: .*/  replicas: 0/' examples/install.yaml |
		kubectl apply -f crds/ -f -
	kubectl wait --for=condition=Established --timeout=30s crd/sessionexports.sessionexport.dev \
		crd/sessionexportpolicies.sessionexport.dev
	kubectl create namespace team-a
	kubectl create namespace ci-nightly
}

# A short one; the operator reads the file again when it is renewed.
renew_token() {
	kubectl -n "$operator_namespace" create token session-export-operator --duration 10m >"$dir/token.new"
	mv "$dir/token.new" "$dir/token"
}

# The administrator's kubeconfig with the ServiceAccount's token in place of the administrator's.
write_operators_kubeconfig() {
	local authority=$dir/ca.crt server
	kubectl config view --raw --output 'jsonpath={.clusters[0].cluster.certificate-authority-data}' |
		base64 -d >"$authority"
	server=$(kubectl config view --output 'jsonpath={.clusters[0].cluster.server}')
	cat >"$dir/operator.kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		current-context: demo
		contexts: [{name: demo, context: {cluster: demo, user: operator, namespace: $operator_namespace}}]
		clusters: [{name: demo, cluster: {server: "$server", certificate-authority: "$authority"}}]
		users: [{name: operator, user: {tokenFile: "$dir/token"}}]
	END
}

start_operator() {
	renew_token
	write_operators_kubeconfig
	start operator env KUBECONFIG="$dir/operator.kubeconfig" POD_UUID="demo-$$" \
		AWS_ACCESS_KEY_ID="$access_key_id" AWS_SECRET_ACCESS_KEY="$secret_access_key" \
		AWS_ENDPOINT_URL_GAMELIFTSTREAMS="$aws_url" AWS_EC2_METADATA_DISABLED=true \
		AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null \
		"$target/debug/session-export-operator" run --config tools/demo/config.yaml \
		--listen 127.0.0.1:0 --health-listen 127.0.0.1:0 --log-format text
}

await_operator() {
	local give_up=$((SECONDS + 30)) log='' ready=''
	until [[ $ready == leading ]]; do
		die_if_fallen
		((SECONDS < give_up)) || {
			tail -n 20 "$dir/operator.log" >&2
			die "the operator is not ready: ${ready:-no answer}; the end of its log stands above"
		}
		sleep 0.1
		log=$(<"$dir/operator.log")
		[[ $log =~ 'serving metrics address='\"?([0-9.]+:[0-9]+) ]] || continue
		metrics_url=http://${BASH_REMATCH[1]}/metrics
		[[ $log =~ 'serving probes address='\"?([0-9.]+:[0-9]+) ]] || continue
		ready=$(curl --silent --noproxy '*' --max-time 2 "http://${BASH_REMATCH[1]}/readyz" || true)
	done
}

# --- the story --------------------------------------------------------------------

readonly in_team_a=(export.yaml export-zip.yaml export-by-arn.yaml ttl.yaml suspended.yaml demo/bucket-refuses.yaml)
readonly held_or_late=(demo/not-allowed.yaml demo/session-ended.yaml)
declare -A session=()

# Ids are born at run time, so every manifest gets the id of a session of its own.
start_sessions() {
	local manifest
	for manifest in "${in_team_a[@]}" "${held_or_late[@]}"; do
		session[$manifest]=$(start_session "$group")
	done
	session[ready-when-accepted.yaml]=$(start_session "$ci_group")
	note "StartStreamSession: ${#session[@]} sessions, such as ${session[export.yaml]}"
}

# One session is over before its export is requested.
end_one_early() {
	local id=${session[demo/session-ended.yaml]}
	until session_is "$group" "$id" ACTIVE; do sleep 0.1; done
	end_session "$group" "$id"
	until session_is "$group" "$id" TERMINATED; do sleep 0.1; done
	note "TerminateStreamSession: $id, before anybody asks for its files"
}

# create MANIFEST: with its session's id in place of the one that is written in it.
create() {
	local id=${session[$1]}
	sed -E "s#(streamSessionIdentifier: (arn:.*/)?)[A-Za-z0-9-]+\$#\\1$id#" "examples/$1" | kubectl apply -f - >/dev/null
	note "kubectl apply: examples/$1"
}

create_all() {
	local manifest
	for manifest in "${in_team_a[@]}" ready-when-accepted.yaml "${held_or_late[@]}"; do create "$manifest"; done
}

try_the_refused() {
	if kubectl apply -f examples/demo/refused.yaml >"$dir/refused" 2>&1; then
		note "accepted, which is wrong"
	else
		sed 's/^/    /' "$dir/refused"
	fi
}

release_the_suspended() {
	kubectl -n team-a patch sessionexport on-crash --type merge --patch '{"spec": {"suspend": false}}' >/dev/null
	note "kubectl patch: on-crash, suspend: false"
}

end_sessions() {
	local manifest
	for manifest in "${in_team_a[@]}" demo/not-allowed.yaml; do end_session "$group" "${session[$manifest]}"; done
	end_session "$ci_group" "${session[ready-when-accepted.yaml]}"
	note "TerminateStreamSession: $((${#in_team_a[@]} + 2)) sessions"
}

# await_objects EXPECTATION...: what is missing in the end is judged later.
await_objects() { watch_until 20 "$@" || note "not so after 20 s: $unmet"; }

await_accepted() {
	await_objects "team-a/abc123def4567 PENDING ExportPending" "team-a/crash-4711 PENDING ExportPending" \
		"team-a/by-arn PENDING ExportPending" "team-a/kept-for-a-day PENDING ExportPending" \
		"team-a/bucket-refuses PENDING ExportPending" "ci-nightly/nightly-run PENDING ExportPending" \
		"team-a/on-crash - Suspended" "team-a/not-allowed - DestinationForbidden" \
		"team-a/session-ended FAILED SessionEnded"
}

await_finished() {
	await_objects "team-a/abc123def4567 SUCCEEDED Exported" "team-a/crash-4711 SUCCEEDED Exported" \
		"team-a/by-arn SUCCEEDED Exported" "team-a/kept-for-a-day SUCCEEDED Exported" \
		"team-a/on-crash SUCCEEDED Exported" "ci-nightly/nightly-run SUCCEEDED Exported" \
		"team-a/bucket-refuses FAILED ExportFailed"
}

# Six sessions that end by themselves. The policy is the example, for the group in which they start.
apply_policy() {
	sed "s/streamGroupIdentifier: .*/streamGroupIdentifier: $policy_group/" examples/policy.yaml | kubectl apply -f - >/dev/null
	note "kubectl apply: examples/policy.yaml"
	curl --silent --fail --noproxy '*' --output /dev/null "$aws_url/_simulator/arrivals" --data \
		"{\"perSecond\": 4, \"count\": 6, \"lifetimeSeconds\": [4, 6], \"groups\": [\"$policy_group\"]}"
	note "six sessions of $policy_group start by themselves"
}

await_policy() {
	local until=$((SECONDS + 40))
	until policy_exported 6; do
		((SECONDS < until)) || {
			note "not so after 40 s"
			return 0
		}
		die_if_fallen
		sleep 0.5
	done
	kubectl --namespace team-a get sessionexportpolicies | sed 's/^/    /'
}

tell() {
	say "Sessions start"
	start_sessions
	end_one_early
	say "A manifest that the API server refuses: examples/demo/refused.yaml"
	try_the_refused
	say "Their files are asked for: AWS promises (PENDING), or the operator says why not"
	create_all
	await_accepted
	say "The game has crashed: the suspended one is released while its session still lives"
	release_the_suspended
	await_objects "team-a/on-crash PENDING ExportPending"
	say "The sessions end: AWS packs the ZIPs and uploads them"
	end_sessions
	await_finished
	say "Sessions that nobody names: a policy exports every session of its stream group"
	apply_policy
	await_policy
}

judge_all() {
	say "What has become of them"
	judge "an export SUCCEEDED, its ZIP is in S3" exported_and_listed team-a/abc123def4567
	judge "an export to a fixed .zip SUCCEEDED" exported_to team-a/crash-4711 s3://exports/team-a/crashes/crash-4711.zip
	judge "a session named by ARN, exported" exported team-a/by-arn
	judge "one with a TTL, exported" exported team-a/kept-for-a-day
	judge "one suspended at first, exported after its release" exported team-a/on-crash
	judge "one Ready as soon as it was accepted, exported" exported ci-nightly/nightly-run
	judge "asked after the session's end: FAILED" stands team-a/session-ended FAILED SessionEnded
	judge "the bucket refuses: FAILED by AWS" failed_by_aws team-a/bucket-refuses
	judge "six sessions that nobody named, exported by a policy" policy_exported 6
	judge "not in the rules: held, with the rule to add" held_with_its_rule team-a/not-allowed
	judge "a bad manifest: refused by the API server" refused outputUri
	say_what_is_wrong
}

# --- the end ----------------------------------------------------------------------

how_to_play() {
	say "Up until Ctrl-C. In another terminal:"
	cat <<-END
		    export KUBECONFIG=$KUBECONFIG
		    export PATH=$CONTROL_PLANE_BIN:\$PATH     # for kubectl
		    export AWS_ACCESS_KEY_ID=$access_key_id AWS_SECRET_ACCESS_KEY=$secret_access_key AWS_REGION=$region
		    export AWS_ENDPOINT_URL_GAMELIFTSTREAMS=$aws_url AWS_ENDPOINT_URL_S3=$s3_url

		    kubectl get sx -A -o wide
		    kubectl get sxp -A
		    kubectl explain sx.spec
		    kubectl -n team-a describe sx not-allowed
		    curl $metrics_url
		    tail -f $dir/operator.log

		One more export, from a session that is made on the spot to its ZIP:
		    curl -X POST $aws_url/_simulator/sessions -d '{"ids": ["my-session"]}'
		    sed 's/ABC123def4567/my-session/; s/abc123def4567/my-export/' examples/export.yaml | kubectl apply -f -
		    kubectl -n team-a wait sx my-export --for=condition=Accepted --timeout=1m
		    curl -X POST $aws_url/_simulator/sessions/my-session/end
		    kubectl -n team-a wait sx my-export --for=condition=Succeeded --timeout=1m
		    ls $dir/s3/exports/team-a
	END
}

keep_up() {
	how_to_play
	outcome=right
	trap 'exit 0' INT
	local renew_at=$((SECONDS + 240))
	while sleep 1; do
		die_if_fallen
		((SECONDS < renew_at)) || { renew_token && renew_at=$((SECONDS + 240)); }
	done
}

need
forget_the_callers_settings
make_room
trap clean_up EXIT
trap 'echo "demo: line $LINENO: this failed: $BASH_COMMAND" >&2' ERR
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP

say "Building"
build
say "Starting a control plane, the simulator of Amazon GameLift Streams, and the operator"
start_control_plane
start_simulator
await_simulator
await_control_plane
install_operator | sed 's/^/    /'
start_operator
await_operator
note "API server $(kubectl config view --output 'jsonpath={.clusters[0].cluster.server}')"
note "simulator  $aws_url, its S3 $s3_url"
note "operator   $metrics_url, as system:serviceaccount:$operator_namespace:session-export-operator"
tell
judge_all
[[ -z ${KEEP:-} ]] || keep_up
outcome=right
say "All as it should be, after $SECONDS s"
