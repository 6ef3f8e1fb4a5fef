# shellcheck shell=bash
# How a release is downloaded and checked. Sourced by the scripts that get one, which define die.

# Usage: fetch URL FILE. A stalled mirror counts as none: under 10 kB/s for 20 s.
fetch() {
	command -v curl >/dev/null || return 1
	curl --fail --silent --show-error --location --connect-timeout 5 \
		--speed-limit 10000 --speed-time 20 --output "$2" "$1"
}

# Usage: pinned_sum CHECKSUMS NAME. The checksum of that name in a file as sha256sum writes it; nothing if it has none.
pinned_sum() { awk -v file="$2" '$2 == file { print $1 }' "$1"; }

# Usage: verify 256|512 FILE SUM. A file that is not what its publisher says is no case for a second source.
verify() {
	local bits=$1 file=$2 expected=$3 got
	got=$("sha${bits}sum" "$file" | cut -d' ' -f1)
	[[ $got == "$expected" ]] || die "refused: $(basename "$file") has the wrong checksum
  expected sha$bits $expected
  got      sha$bits $got
nothing was installed"
}
