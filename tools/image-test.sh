#!/usr/bin/env bash
# Builds the image twice, and runs it: as the user of the image, in its own root file system, read-only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly name=session-export-operator
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

die() {
	printf 'image-test: %s\n' "$*" >&2
	exit 1
}

# same WHAT IS WANTED
same() { [[ $2 == "$3" ]] || die "$1 is
$2
and should be
$3"; }

# inspect EXPRESSION: of the image's manifest m and configuration c.
inspect() {
	python3 - "$work/oci" "$1" <<-'END'
		import json, sys
		folder, expression = sys.argv[1:]
		blob = lambda found: f"{folder}/blobs/" + found["digest"].replace(":", "/")
		m = json.load(open(blob(json.load(open(f"{folder}/index.json"))["manifests"][0])))
		c = json.load(open(blob(m["config"])))
		print(eval(expression))
	END
}

unpack() {
	local layer
	mkdir "$work/oci" "$work/root"
	tar --extract --file "$1" --directory "$work/oci"
	for layer in $(inspect '" ".join(layer["digest"].replace(":", "/") for layer in m["layers"])'); do
		tar --extract --gzip --same-owner --file "$work/oci/blobs/$layer" --directory "$work/root"
	done
}

# A kernel's own read-only view, in a mount namespace that ends with the command.
run_image() {
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --mount --propagation private bash -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
		exec env --ignore-environment "$(command -v chroot)" --userspec=65532:65532 --groups= "$0" "$@"' "$work/root" "/$name" "$@"
}

holds_nothing_else() {
	local wanted="etc/ssl/certs/ca-certificates.crt lib/ld-linux libc.so libgcc_s.so libm.so $name"
	same "what the image holds" "$(cd "$work/root" && find . -type f | sed -E "s#^\./##; s#^lib[^ ]*/(ld-linux|lib[a-z_]+\.so).*#\1#; s#^ld-linux#lib/ld-linux#" | sort | xargs)" "$(tr ' ' '\n' <<<"$wanted" | sort | xargs)"
	same "files that another user than root owns, or may write" "$(find "$work/root" ! -uid 0 -o ! -gid 0 -o -perm /022)" ""
}

is_labelled() {
	local version
	version=$(sed -nE 's/^version = "(.*)"$/\1/p' Cargo.toml)
	same "the user" "$(inspect 'c["config"]["User"]')" 65532:65532
	same "the entry point" "$(inspect 'c["config"]["Entrypoint"]')" "['/$name']"
	same "the label of the version" "$(inspect 'c["config"]["Labels"]["org.opencontainers.image.version"]')" "$version"
	same "the label of the commit" "$(inspect 'c["config"]["Labels"]["org.opencontainers.image.revision"].removesuffix("-dirty")')" "$(git rev-parse HEAD)"
	same "the label of the licence" "$(inspect 'c["config"]["Labels"]["org.opencontainers.image.licenses"]')" Apache-2.0
	same "what it says of its version" "$(run_image --version)" "$name $version"
}

works() {
	local status=0
	local definition
	for definition in sessionexports sessionexportpolicies; do
		run_image crd "$definition" | cmp - "crds/sessionexport.dev_$definition.yaml" ||
			die "the image's CRD of $definition is not the committed one"
	done
	cp examples/config.yaml "$work/root/config.yaml"
	run_image check-config --config /config.yaml
	run_image check-config --config /missing.yaml 2>/dev/null || status=$?
	same "the exit code for a configuration that isn't there" "$status" 2
}

archive=$(tools/image.sh)
first=$(sha256sum <"$archive")
same "the second archive of the same commit" "$(sha256sum <"$(tools/image.sh)")" "$first"
unpack "$archive"
holds_nothing_else
is_labelled
works
echo "image-test: $(inspect 'sum(layer["size"] for layer in m["layers"])') bytes to pull, $(du --bytes --summarize "$work/oci/../root" | cut -f 1) unpacked"
