"""Prints the components of a CycloneDX file, the described one included, as sorted lines of "name version"."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    bom = json.load(file)
every = [bom["metadata"]["component"], *bom["components"]]
for line in sorted({f"{component['name']} {component['version']}" for component in every}):
    print(line)
