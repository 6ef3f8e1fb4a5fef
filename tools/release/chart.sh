#!/usr/bin/env bash
# Usage: chart.sh FOLDER [IMAGE SOURCE]
#
# Packages the chart into FOLDER and prints the package's path. With IMAGE its default values name that repository, and
# its home and sources are the URL SOURCE: what is committed can't know where it will be published. HELM is the Helm to package it with; without it tools/helm.sh
# finds or builds one.
set -euo pipefail

folder=$(realpath "$1") image=${2:-} source=${3:-}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly name=session-export-operator
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# replace_line WAS IS: in values.yaml, where WAS stands exactly once.
replace_line() {
	local values=$work/$name/values.yaml
	[[ $(grep -cxF "$1" "$values") == 1 ]] || {
		echo "chart: values.yaml has not exactly one line \"$1\"" >&2
		exit 1
	}
	awk -v was="$1" -v is="$2" '$0 == was { $0 = is } { print }' "$values" >"$work/values.yaml"
	mv "$work/values.yaml" "$values"
	# The copy that the templates read.
	cp "$values" "$work/$name/files/"
}

cp -r "charts/$name" "$work/"
if [[ -n $image ]]; then
	sed -i '/Put your own registry in front: no image is published yet/d' "$work/$name/values.yaml"
	replace_line "  repository: $name" "  repository: $image"
	printf 'home: %s\nsources: [%s]\n' "$source" "$source" >>"$work/$name/Chart.yaml"
fi
helm=${HELM:-$(tools/helm.sh)}
"$helm" package "$work/$name" --destination "$folder" >&2
echo "$folder/$name-$(sed -n 's/^version: //p' "$work/$name/Chart.yaml").tgz"
