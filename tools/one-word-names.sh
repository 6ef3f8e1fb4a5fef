#!/usr/bin/env bash
# Usage: one-word-names.sh [--list]
#
# Counts the shipped functions of src/ whose name is one word. A verb and its object say what a function does; a third of
# them may be single words, because a trait or the field has no other. Fails above that. --list prints them by file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Names that traits of the standard library, serde and clap give, and constructors.
exceptions='new default from fmt drop deref deref_mut clone eq hash next poll run main try_from from_str serialize deserialize
expecting visit_str visit_map visit_seq cmp partial_cmp len iter flush write source'

# FILE NAME for each function, without tests.
# shellcheck disable=SC2016 # awk's own variables
functions() {
	find src -name '*.rs' ! -path '*/tests/*' ! -name 'tests.rs' ! -name '*_tests.rs' ! -name 'fixtures.rs' ! -name 'forgery.rs' ! -path '*_tests/*' ! -name 'world*.rs' \
		! -path src/polling/model.rs -print0 | sort -z | xargs -0 awk '
		FNR == 1 { shipped = 1 }
		/^mod tests \{/ { shipped = 0 }
		shipped { line = $0; sub(/\/\/.*/, "", line)
			while (match(line, /(^|[^a-zA-Z_])fn [a-z_0-9]+/)) {
				name = substr(line, RSTART, RLENGTH); sub(/.*fn /, "", name); print FILENAME, name
				line = substr(line, RSTART + RLENGTH)
			} }'
}

counted=$(functions | awk -v exceptions="$exceptions" '
	BEGIN { split(exceptions, names, /[ \n]+/); for (n in names) excepted[names[n]] }
	!($2 in excepted)')
one=$(awk '$2 !~ /_/' <<<"$counted")
if [[ ${1:-} == --list ]]; then
	awk '{ names[$1] = names[$1] " " $2 } END { for (file in names) print file ":" names[file] }' <<<"$one" | sort
fi
total=$(wc -l <<<"$counted") single=$(wc -l <<<"$one")
echo "$single of $total function names are one word ($((100 * single / total)) %)"
((3 * single <= total)) || {
	echo "one-word-names.sh: more than a third; name functions by a verb and its object (--list shows them)" >&2
	exit 1
}
