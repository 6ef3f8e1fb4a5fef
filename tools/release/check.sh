#!/usr/bin/env bash
# Usage: check.sh [CHECK...]
#
# Everything of a release that needs neither a registry nor a signature. Without arguments:
#
#   versions    of the crates, the chart, the examples, the image's build and the changelog agree
#   chart       is packaged and linted, and installs the image that it is published with
#   sbom        is made from Cargo.lock, and lists what the binary is made of
#   publish     signs what it should, and builds no tool in the job that signs: docker and cosign are stand-ins
#   workflows   are such as GitHub understands, and name actions by commit
#   scripts     pass shellcheck
#   manifests   of the chart and of examples/install.yaml pass checkov; .checkov.yaml has what stays, and why
#
# Asked for by a release only: "tag NAME" (it is this version's, and the changelog has its date), "notes VERSION" (prints
# its part of the changelog).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly name=session-export-operator
readonly chart=charts/$name
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
	printf 'release: %s\n' "$*" >&2
	exit 1
}

# same WHERE IS WANTED
same() { [[ $2 == "$3" ]] || die "$1 says \"$2\", and should say \"$3\""; }

# only PATTERN FILE: the one thing that the sed pattern finds.
only() {
	local found
	found=$(sed -nE "s#$1#\1#p" "$2")
	[[ -n $found && $found != *$'\n'* ]] || die "$2 has not exactly one line like $1"
	echo "$found"
}

version() { only '^version = "(.*)"$' Cargo.toml; }

versions() {
	local version crate crd
	version=$(version)
	for crate in "$name" gameliftstreams-simulator; do
		same "Cargo.lock, of $crate," "$(grep -A1 -xF "name = \"$crate\"" Cargo.lock | sed -nE 's/^version = "(.*)"$/\1/p')" "$version"
	done
	same "$chart/Chart.yaml, version," "$(only '^version: (.*)$' $chart/Chart.yaml)" "$version"
	same "$chart/Chart.yaml, appVersion," "$(only '^appVersion: "(.*)"$' $chart/Chart.yaml)" "$version"
	same "examples/install.yaml, image," "$(only '^ +image: .*:(.*)$' examples/install.yaml)" "$version"
	same "Dockerfile, RUST," "$(only '^ARG RUST=.*/rust:([0-9.]+)-.*$' Dockerfile)" "$(only '^channel = "(.*)"$' rust-toolchain.toml)"
	for crd in sessionexports sessionexportpolicies; do
		cmp "crds/sessionexport.dev_$crd.yaml" "$chart/files/sessionexport.dev_$crd.yaml" ||
			die "the chart's copy of a CRD is old: run make crds"
	done
	grep -qE "^## \[Unreleased\]$|^## \[${version//./\\.}\] - " CHANGELOG.md || die "CHANGELOG.md has neither [Unreleased] nor [$version]"
}

# The values of the snapshots: between them every template is rendered.
render() { "$helm" template exports "$@" --namespace "$name" --kube-version 1.33.0; }

chart() {
	local helm package image=registry.example.com/published source=https://git.example.com/published
	helm=$(tools/helm.sh)
	package=$(tools/release/chart.sh "$work" "$image" "$source")
	"$helm" lint --strict "$package"
	same "the package's name" "${package##*/}" "$name-$(version).tgz"
	render "$package" >"$work/published.yaml"
	render "$package" --set image.repository=null >"$work/null.yaml"
	same "the packaged chart, image that is null," "$(only '^ +image: "(.*)"$' "$work/null.yaml")" "$image:$(version)"
	same "the packaged chart, home," "$("$helm" show chart "$package" | sed -n 's/^home: //p')" "$source"
	same "the packaged chart, image," "$(only '^ +image: "(.*)"$' "$work/published.yaml")" "$image:$(version)"
	same "the packaged chart, label of the version," \
		"$(sed -n 's#^ *"app.kubernetes.io/version": "\(.*\)"$#\1#p' "$work/published.yaml" | sort -u)" "$(version)"
}

sbom() {
	local target=unknown-linux-gnu paths
	tools/release/sbom.sh "$work/sbom"
	tools/release/linked.sh "x86_64-$target" >"$work/linked"
	tools/release/linked.sh "aarch64-$target" | LC_ALL=C comm -13 "$work/linked" - >"$work/arm64"
	[[ ! -s $work/arm64 ]] || die "arm64 is made of more than amd64, for which the SBOM is made: $(<"$work/arm64")"
	python3 tools/release/components.py "$work/sbom" >"$work/listed"
	diff "$work/linked" "$work/listed" || die "the SBOM (>) is not what cargo links (<)"
	paths=$(grep -oE 'file:///[^"#]*' "$work/sbom" | grep -v '^file:///src' || true)
	[[ -z $paths ]] || die "the SBOM names paths of this machine: $paths"
	echo "sbom: $(wc -l <"$work/listed") components"
}

# stand_in NAME COMMAND...: a program of this name for the job that signs, which notes how it was called.
stand_in() {
	local program=$work/signing/$1
	mkdir -p "$work/signing"
	printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$work" "${*:2}" >"$program"
	chmod +x "$program"
}

stand_ins() {
	local tool
	stand_in git 'echo 0'
	stand_in docker 'case $* in *inspect*) echo sha256:image ;; esac'
	stand_in cosign
	stand_in helm "[ \"\$1\" = push ] && echo 'Digest: sha256:chart' || exec '$(tools/helm.sh)' \"\$@\""
	for tool in cargo rustup go pip python3 curl wget; do
		stand_in $tool "echo '$tool was run in the job that signs' >&2; exit 1"
	done
}

# run_job PATH COMMAND...: publish.sh as in the workflow, in a copy of what it needs.
run_job() {
	env PATH="$1" REGISTRY=registry.example.com GITHUB_REPOSITORY=Owner/Repository GITHUB_REPOSITORY_OWNER=Owner \
		GITHUB_SERVER_URL=https://git.example.com \
		GITHUB_REF_NAME="v$version" GITHUB_OUTPUT="$work/output" "$work/repository/tools/release/publish.sh" "${@:2}"
}

publish() {
	local version image=registry.example.com/owner/repository charts=registry.example.com/owner/charts sbom package
	version=$(version)
	sbom=dist/$name-$version.cdx.json package=$work/repository/dist/$name-$version.tgz
	mkdir -p "$work/repository" "$work/git"
	cp --parents -r tools charts src simulator/src simulator/Cargo.toml Cargo.toml Cargo.lock rust-toolchain.toml CHANGELOG.md \
		"$work/repository"
	sed -i "s/^## \[Unreleased\]/## [$version] - 2030-01-01/" "$work/repository/CHANGELOG.md"
	stand_ins
	cp "$work/signing/git" "$work/git/"
	run_job "$work/git:$PATH" sbom
	same "dist/ of the job that makes the SBOM" "$(ls "$work/repository/dist")" "${sbom#dist/}"
	run_job "$work/signing:$PATH" index_and_chart
	grep '^cosign' "$work/calls" >"$work/signed" || true
	diff - "$work/signed" <<-END || die "publish.sh signed other things (>) than what is published (<)"
		cosign sign --yes $image@sha256:image
		cosign attest --yes --type cyclonedx --predicate $sbom $image@sha256:image
		cosign sign-blob --yes --bundle $sbom.sigstore.json $sbom
		cosign sign --yes $charts/$name@sha256:chart
		cosign sign-blob --yes --bundle $package.sigstore.json $package
	END
}

workflows() {
	local actionlint unpinned
	actionlint=$(tools/release/tool.sh actionlint)
	"$actionlint" .github/workflows/*.yml
	unpinned=$(grep -nE 'uses: ' .github/workflows/*.yml | grep -vE 'uses: (\./|[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$)' || true)
	[[ -z $unpinned ]] || die "an action that is not named by its commit: $unpinned"
}

scripts() {
	local files
	tools/debian.sh shellcheck=/usr/bin/shellcheck
	mapfile -t files < <(grep -rlE '^#!.*\b(ba)?sh$|^# shellcheck shell=' .ci tools simulator/tests --include '*.sh' --include run)
	# SC2317: before 0.11 it takes what only a trap calls for unreachable.
	shellcheck -x --exclude SC2317 "${files[@]}"
	echo "scripts: ${#files[@]} of them"
}

manifests() {
	local checkov helm
	checkov=$(tools/release/tool.sh checkov)
	helm=$(tools/helm.sh)
	mkdir "$work/manifests"
	render "$chart" >"$work/manifests/default.yaml"
	# hostNetwork is off by default. CKV_K8S_19 is right about those who need it.
	render "$chart" --values tests/chart/values/full.yaml --set hostNetwork=false >"$work/manifests/full.yaml"
	cp examples/install.yaml "$work/manifests/"
	# It asks its maker's server for links to explanations, unless told not to.
	BC_SKIP_MAPPING=TRUE LOG_LEVEL=ERROR "$checkov" --config-file .checkov.yaml --directory "$work/manifests"
}

tag() {
	same "the tag" "$1" "v$(version)"
	grep -qE "^## \[${1#v}\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || die "CHANGELOG.md has no dated part for $1"
}

notes() {
	awk -v head="## [$1]" 'index($0, "## [") == 1 { inside = index($0, head) == 1; next } inside' CHANGELOG.md | grep . ||
		die "CHANGELOG.md has nothing about $1"
}

case ${1:-} in
tag | notes) "$@" ;;
*)
	(($# > 0)) || set -- versions chart sbom publish workflows scripts manifests
	for check in "$@"; do
		printf -- '-- %s\n' "$check"
		"$check"
	done
	;;
esac
