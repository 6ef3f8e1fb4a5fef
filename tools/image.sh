#!/usr/bin/env bash
# Usage: image.sh [--binary]
#
# Builds the operator's image without a registry: the last stage of the Dockerfile on an empty base, with the binary that
# cargo makes here, the shared libraries that it needs, and this machine's CA certificates. Prints, as the only line on
# stdout, the path of an OCI archive with the image localhost/session-export-operator:VERSION:
#
#   ctr --namespace k8s.io images import "$(tools/image.sh)"
#
# With --binary it builds the binary alone, without root, and prints where that is.
#
#   BINARY=FILE             takes this binary in place of a release build
#   SOURCE_DATE_EPOCH=N     the time in the image; the last commit's, unless said otherwise
#
# The exit code is 77 when this machine can't.
#
# The same commit on the same machine makes the same archive, bit for bit. It takes buildah and root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
readonly name=session-export-operator certificates=/etc/ssl/certs/ca-certificates.crt

say() { printf 'image: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

need() {
	((EUID == 0)) || {
		say "buildah is run as root here: it writes files that belong to root"
		exit 77
	}
	tools/debian.sh buildah=/usr/bin/buildah "ca-certificates=$certificates"
}

version() { sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"$/\1/p' Cargo.toml; }

revision() {
	local changes
	changes=$(git status --porcelain --untracked-files=no)
	echo "$(git rev-parse HEAD)${changes:+-dirty}"
}

# Paths of this machine would make another binary of the same sources elsewhere. The time stays out of it: it is not in
# the binary, and another one would make cargo build most of it again.
build_binary() {
	env --unset SOURCE_DATE_EPOCH RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/src" \
		cargo build --quiet --release --locked --bin "$name" >&2
	echo "$target/release/$name"
}

# The loader and the libraries, at the paths where the loader looks for them.
libraries_of() { ldd "$1" | sed -nE 's#^(.* => )?[[:space:]]*(/[^ ]+) \(0x.*#\2#p'; }

lay_out_files() {
	local binary=$1 library
	mkdir "$work/files"
	install -D --mode 0755 "$binary" "$work/files/$name"
	for library in $(libraries_of "$binary"); do
		install -D --mode 0755 "$library" "$work/files$library"
	done
	install -D --mode 0644 "$certificates" "$work/files$certificates"
}

buildah() { command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@" >&2; }

build_image() {
	local reference=localhost/$name:$1
	buildah build --quiet --pull-never --identity-label=false --timestamp "$SOURCE_DATE_EPOCH" --build-arg BASE=scratch \
		--build-context "files=$work/files" --build-arg VERSION="$1" --build-arg REVISION="$2" --tag "$reference" .
	buildah push --quiet "$reference" "oci:$work/oci:$reference"
}

# What skopeo's own archives lack: an order and times that don't change.
pack() {
	tar --create --file "$work/image.tar" --directory "$work/oci" --sort name --format ustar --numeric-owner \
		--owner 0 --group 0 --mode u=rwX,go=rX --mtime "@$SOURCE_DATE_EPOCH" blobs index.json oci-layout
	mkdir -p "$target/image"
	mv "$work/image.tar" "$1"
}

case ${1:-} in
'') ;;
--binary)
	build_binary
	exit
	;;
*) die "usage: image.sh [--binary]" ;;
esac
need
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(version)
archive=$target/image/$name-$version.tar
binary=${BINARY:-$(build_binary)}
mkdir -p "$target"
work=$(mktemp -d "$target/image.XXXXXX")
trap 'rm -rf "$work"' EXIT
lay_out_files "$binary"
build_image "$version" "$(revision)"
pack "$archive"
say "$(sha256sum <"$archive" | cut -d ' ' -f 1) $(stat --format %s "$archive") bytes"
echo "$archive"
