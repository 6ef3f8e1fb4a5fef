# shellcheck shell=bash disable=SC2154 # the variables are of tools/demo.sh
# Whether everything has come out as it should, and what is shown when it has not.
#
# Sourced by tools/demo.sh. Objects are written NAMESPACE/NAME. The judges are called in a condition, where `set -e`
# does not hold: so they are chains of &&.

declare -a wrong=()

# judge WHAT JUDGE OBJECT [ARGUMENT...]
judge() {
	local what=$1
	shift
	evidence=
	if "$@"; then
		printf '    ok     %s\n' "$what"
		[[ -z $evidence ]] || printf '%s\n' "$evidence" | sed 's/^/           /'
	else
		printf '    WRONG  %s (%s)\n' "$what" "$2"
		wrong+=("$what ($2)")
		show_status "$2"
	fi
}

# field OBJECT JSONPATH
field() { kubectl --namespace "${1%/*}" get sessionexport "${1#*/}" --output "jsonpath=$2"; }

# stands OBJECT STATUS REASON: with - for no status.
stands() {
	local status
	status=$(field "$1" '{.status.exportStatus}')
	[[ ${status:--} == "$2" && $(ready "$1" reason) == "$3" ]]
}

# ready OBJECT FIELD: of its condition Ready.
ready() { field "$1" "{.status.conditions[?(@.type==\"Ready\")].$2}"; }

exported() {
	local uri zip=$dir/fetched.zip files
	stands "$1" SUCCEEDED Exported && uri=$(field "$1" '{.status.outputUri}') && fetch "$uri" "$zip" &&
		files=$(files_in "$zip") && grep -q '^application/' <<<"$files" &&
		evidence="$uri: $(wc -c <"$zip") bytes, $(wc -l <<<"$files") files"
}

exported_and_listed() { exported "$1" && evidence+=$'\n'$(files_in "$dir/fetched.zip" | sed 's/^/  /'); }

exported_to() { exported "$1" && [[ $(field "$1" '{.status.outputUri}') == "$2" ]]; }

# The names of the files in a ZIP, without those of folders.
files_in() {
	if command -v python3 >/dev/null; then
		python3 -c 'import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep="\n")' "$1"
	else
		unzip -Z1 "$1"
	fi | grep -v '/$'
}

failed_by_aws() {
	stands "$1" FAILED ExportFailed && evidence=$(field "$1" '{.status.exportStatusReason}')
}

# policy_exported COUNT: so many exports of the example's policy have SUCCEEDED, each of them with a ZIP.
policy_exported() {
	local uris uri
	uris=$(kubectl --namespace team-a get sessionexports --selector sessionexport.dev/policy=every-session \
		--output 'jsonpath={range .items[?(@.status.exportStatus=="SUCCEEDED")]}{.status.outputUri}{"\n"}{end}')
	[[ $(grep -c . <<<"$uris") == "$1" ]] || return 1
	while read -r uri; do fetch "$uri" "$dir/fetched.zip" && files_in "$dir/fetched.zip" >/dev/null || return 1; done <<<"$uris"
	evidence=$(head -n 1 <<<"$uris")", and $(($1 - 1)) more"
}

held_with_its_rule() {
	local message rule='namespaces: ["team-a"], streamGroups: ["sg-1AB2C3De4"], outputPrefixes: ["s3://exports/team-b/"]'
	stands "$1" - DestinationForbidden && message=$(ready "$1" message) && [[ $message == *"{$rule}"* ]] && evidence=$message
}

# refused FIELD: the API server's answer names the field, and nothing is stored.
refused() {
	grep -q "spec.$1: Invalid value" "$dir/refused" &&
		[[ -z $(kubectl --namespace team-a get sessionexport refused --ignore-not-found --output name) ]]
}

show_status() {
	[[ $1 == */* ]] || return 0
	kubectl --namespace "${1%/*}" get sessionexport "${1#*/}" --output yaml | sed -n '/^spec:/,$p' | sed 's/^/           /'
}

say_what_is_wrong() {
	((${#wrong[@]} > 0)) || return 0
	say "The operator's last words"
	tail -n 20 "$dir/operator.log"
	die "this did not come out as it should:$(printf '\n  %s' "${wrong[@]}")"
}
