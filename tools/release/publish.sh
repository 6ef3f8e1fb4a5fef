#!/usr/bin/env bash
# Usage: publish.sh image ARCHITECTURE | sbom | index_and_chart
#
# What .github/workflows/release.yml does at a tag: pushes, and signs as the workflow that it runs in (keyless). Everything
# that needs no registry is in check.sh, chart.sh and sbom.sh, which run everywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=${GITHUB_REF_NAME#v}
# Names of images have no capitals.
image=$REGISTRY/${GITHUB_REPOSITORY,,}
charts=$REGISTRY/${GITHUB_REPOSITORY_OWNER,,}/charts
sbom=dist/session-export-operator-$version.cdx.json
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# publish.sh image amd64: one image, run once as a Pod would.
image() {
	local tag=$image:$version-$1
	docker buildx create --use --driver docker-container
	docker buildx build --platform "linux/$1" --provenance mode=max \
		--build-arg VERSION="$version" --build-arg REVISION="$GITHUB_SHA" \
		--label "org.opencontainers.image.source=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" \
		--label "org.opencontainers.image.created=$(date --utc --date "@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
		--output "type=image,name=$tag,push=true,rewrite-timestamp=true" .
	docker run --rm --read-only --cap-drop ALL "$tag" --version
}

die() {
	echo "publish: $*" >&2
	exit 1
}

output() { echo "$1=$2" | tee -a "$GITHUB_OUTPUT"; }

# publish.sh sbom: dist/ with the SBOM alone. It builds the tool that makes it, so it runs in a job without rights.
sbom() {
	mkdir dist
	tools/release/sbom.sh "$sbom"
}

# publish.sh index_and_chart: one name for both architectures, the signed SBOM, and the chart that installs it. Its job has
# the rights to write and to sign, so it builds no tool: docker and Helm are the runner's, the SBOM is in dist/.
index_and_chart() {
	local digest chart_digest package
	[[ -s $sbom ]] || die "there is no $sbom: publish.sh sbom makes it, in another job"
	HELM=$(command -v helm) || die "there is no helm on the PATH, and none is built where releases are signed"
	export HELM
	docker buildx imagetools create --tag "$image:$version" "$image:$version-amd64" "$image:$version-arm64"
	digest=$(docker buildx imagetools inspect "$image:$version" --format '{{.Manifest.Digest}}')
	cosign sign --yes "$image@$digest"
	cosign attest --yes --type cyclonedx --predicate "$sbom" "$image@$digest"
	cosign sign-blob --yes --bundle "$sbom.sigstore.json" "$sbom"

	package=$(tools/release/chart.sh dist "$image" "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY")
	chart_digest=$("$HELM" push "$package" "oci://$charts" 2>&1 | tee /dev/stderr | sed -n 's/^Digest: //p')
	cosign sign --yes "$charts/session-export-operator@$chart_digest"
	cosign sign-blob --yes --bundle "$package.sigstore.json" "$package"

	tools/release/check.sh notes "$version" >dist/notes.md
	output image "$image"
	output image-digest "$digest"
	output chart "$charts/session-export-operator"
	output chart-digest "$chart_digest"
}

case ${1:-} in
image) image "$2" ;;
sbom) sbom ;;
index_and_chart) index_and_chart ;;
*) echo "usage: publish.sh image ARCHITECTURE | sbom | index_and_chart" >&2 && exit 2 ;;
esac
