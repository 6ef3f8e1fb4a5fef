#!/usr/bin/env bash
# Draws docs/images/dashboard.png: the queries of the chart's dashboard, answered by a real Prometheus that scrapes the
# real operator under load. SECONDS_OF_LOAD (240) is how long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements=tools/dashboard-picture/requirements.txt
venv=${XDG_CACHE_HOME:-$HOME/.cache}/session-export-operator/matplotlib-$(sha256sum $requirements | cut -c1-12)
folder=$PWD/target/dashboard-picture

tools/build.sh --quiet
binaries=$(tools/control-plane/install.sh)
prometheus=$(tools/promtool.sh prometheus)
if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c 'import matplotlib' 2>/dev/null; then
	python3 -m venv --clear "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--requirement "$requirements"
fi
rm -rf "$folder"
mkdir -p "$folder"
"$venv/bin/python" tools/dashboard-picture/picture.py "$folder" "$binaries" "$prometheus"
ls -l docs/images/dashboard.png
