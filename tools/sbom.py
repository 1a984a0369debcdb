#!/usr/bin/env python3
"""Writes a bill of materials in CycloneDX's format for an installed voicecoil.

    nox -s sbom -- [--python build/env/bin/python] [--output build/sbom.json]

The bill lists the packages that voicecoil needs, with their versions, as cyclonedx-py describes
them. It also lists the native libraries inside these packages, which no package index knows. The
program needs the group `sbom` of pyproject.toml.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# This program runs in the environment that the bill describes. It prints the needed packages and
# their native libraries as JSON.
PROBE = """
import importlib.metadata as metadata, json, re

def normal(name):
    return re.sub("[-_.]+", "-", name).lower()

def needed(name, found):
    for text in metadata.requires(name) or ():
        requirement = text.split(";")[0].strip()
        other = normal(re.match("[A-Za-z0-9._-]+", requirement)[0])
        if "extra ==" in text or other in found:
            continue
        try:
            found[other] = metadata.version(other)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        needed(other, found)
    return found

import soundfile, soxr
native = {"libsndfile": (soundfile.__libsndfile_version__, "soundfile"),
          "libsoxr": (soxr.__libsoxr_version__, "soxr")}
try:
    import _miniaudio
    version = _miniaudio.ffi.string(_miniaudio.lib.ma_version_string()).decode()
    native["miniaudio (C)"] = (version, "miniaudio")
except ImportError:
    pass
print(json.dumps({"needed": needed("voicecoil", {}), "native": native}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default="build/env/bin/python", help="has voicecoil installed")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "sbom.json")
    options = parser.parse_args()
    asked = subprocess.run(
        [options.python, "-c", PROBE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found = json.loads(asked.stdout)
    listed = "".join(f"{name}=={version}\n" for name, version in sorted(found["needed"].items()))
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [str(tool), "requirements", "--pyproject", "pyproject.toml", "--of", "JSON", "-"]
    made = subprocess.run(
        command, cwd=ROOT, input=listed, check=True, capture_output=True, text=True
    )
    bill = json.loads(made.stdout)
    for name, (version, package) in found["native"].items():
        bill["components"].append(
            {
                "type": "library",
                "bom-ref": f"native:{name}",
                "name": name,
                "version": version,
                "description": f"A native library inside the wheel of {package}.",
            }
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{options.output}: {len(bill['components'])} components")


if __name__ == "__main__":
    main()
