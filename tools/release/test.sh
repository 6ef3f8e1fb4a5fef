#!/usr/bin/env bash
# Each check of check.sh passes on what is committed, and fails, with the words that help, on a copy that was broken once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly chart=charts/session-export-operator
broken=0

fresh_copy() {
	rm -rf "$work/copy"
	mkdir "$work/copy"
	git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | tar --extract --directory "$work/copy"
}

# breaks "CHECK [ARGUMENT]" FILE SED-SCRIPT WORDS: the check fails, and says the words.
breaks() {
	local check status=0
	read -ra check <<<"$1"
	fresh_copy
	sed -i -E "$3" "$work/copy/$2"
	! cmp --quiet "$2" "$work/copy/$2" || {
		echo "release-test: $3 changes nothing in $2" >&2
		exit 1
	}
	"$work/copy/tools/release/check.sh" "${check[@]}" >"$work/said" 2>&1 || status=$?
	if ((status == 0)) || ! grep -qF -- "$4" "$work/said"; then
		echo "release-test: $2 with $3: $1 ended with $status, without saying \"$4\":" >&2
		cat "$work/said" >&2
		exit 1
	fi
	broken=$((broken + 1))
}

tools/release/check.sh

breaks versions Cargo.toml '0,/^version = /s/^version = .*/version = "0.2.0"/' 'Cargo.lock, of session-export-operator, says "0.1.0", and should say "0.2.0"'
breaks versions $chart/Chart.yaml 's/^version: .*/version: 0.2.0/' 'version, says "0.2.0"'
breaks versions $chart/Chart.yaml 's/^appVersion: .*/appVersion: "0.2.0"/' 'appVersion, says "0.2.0"'
breaks versions examples/install.yaml 's/(image: .*):0.1.0/\1:latest/' 'image, says "latest"'
breaks versions Dockerfile 's#/rust:1.95.0#/rust:1.94.0#' 'RUST, says "1.94.0", and should say "1.95.0"'
breaks versions $chart/files/sessionexport.dev_sessionexports.yaml 's/served: true/served: false/' 'run make crds'
breaks versions $chart/files/sessionexport.dev_sessionexportpolicies.yaml 's/served: true/served: false/' 'run make crds'
breaks versions CHANGELOG.md 's/^## \[Unreleased\]/## [9.9.9] - 2020-01-01/' 'neither [Unreleased] nor [0.1.0]'
breaks chart $chart/values.yaml 's/^  repository: .*/  repository: elsewhere/' 'not exactly one line'
breaks chart $chart/templates/_helpers.tpl 's/default \$\.Chart\.AppVersion/default "latest"/' 'says "registry.example.com/published:latest"'
breaks chart $chart/templates/configmap.yaml 's/^kind: .*/kind: [/' 'Error'
breaks sbom Cargo.lock '/^name = "aws-lc-rs"$/,/^checksum/s/^version = .*/version = "0.0.1"/' 'Cargo.lock'
breaks sbom tools/release/only_linked.py 's/not in linked/in linked/' 'is not what cargo links'
breaks sbom tools/release/sbom.sh 's/[|] sed [^>]*//' 'names paths of this machine'
breaks publish tools/release/publish.sh 's#^\tdigest=.*#&\n\ttools/release/sbom.sh dist/built-here#' 'was run in the job that signs'
breaks publish tools/release/publish.sh 's/^\texport HELM/&; go version/' 'go was run in the job that signs'
breaks publish tools/release/publish.sh 's/^\tcosign sign-blob .*json.*sbom.*/\t:/' 'signed other things'
breaks workflows .github/workflows/release.yml 's/needs: \[image,/needs: [images,/' 'images'
breaks workflows .github/workflows/ci.yml 's/(checkout)@[0-9a-f]{40}.*/\1@v5/' 'not named by its commit'
breaks scripts tools/stage.sh 's/"\$@" 2>/$@ 2>/' 'SC2068'
breaks manifests $chart/values.yaml 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/' CKV_K8S_22
breaks manifests examples/install.yaml 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' CKV_K8S_20
breaks manifests .checkov.yaml 's/- CKV_K8S_11$/- CKV_K8S_99999/' CKV_K8S_11
breaks "tag v0.1.0" CHANGELOG.md 's/^## \[0.1.0\].*/## [Unreleased]/; s/Unreleased/unreleased/' 'no dated part for v0.1.0'
breaks "tag v0.1.1" CHANGELOG.md 's/^## \[Unreleased\]/## [0.1.1] - 2030-01-01/' 'the tag says "v0.1.1", and should say "v0.1.0"'
breaks "notes 0.1.1" CHANGELOG.md 's/Unreleased/unreleased/' 'nothing about 0.1.1'
echo "release-test: $broken broken copies were refused"
