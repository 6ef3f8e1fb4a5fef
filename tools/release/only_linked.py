"""Reads a CycloneDX file, and prints it without the components that are not among the lines "name version" of another.

cargo-cyclonedx lists what `cargo metadata` resolves, which is more than what is linked: crates behind features that only
another crate's build script, or nobody, turns on.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    bom = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    linked = set(file.read().splitlines())

dropped = {part["bom-ref"] for part in bom["components"] if f"{part['name']} {part['version']}" not in linked}
bom["components"] = [part for part in bom["components"] if part["bom-ref"] not in dropped]
bom["dependencies"] = [entry for entry in bom["dependencies"] if entry["ref"] not in dropped]
for entry in bom["dependencies"]:
    if "dependsOn" in entry:
        entry["dependsOn"] = [ref for ref in entry["dependsOn"] if ref not in dropped]
json.dump(bom, sys.stdout, indent=2)
print()
