"""Sessions for ``nox``: the parts of ``make test``, by name.

    nox -l                          the list
    nox -s lint                     one of them
    nox -s tests-3.12 -- -k zero    some tests on one Python

``tools/test.py`` runs them all, in parallel if they do not depend on time. It needs only Python and
makes the environments, which need no network the second time. Therefore the sessions of nox make no
environments of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tools"))
import interpreters

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "core"]

PARTS = {
    "lint": "Style, types, layers and lengths",
    "core": "The C core: plain, under ASan with UBSan, and under TSan",
    "simulator": "The simulated CoreAudio, the same three ways",
    "sanitizers": "CoreAudio's driver, from Python down, under sanitizers",
    "macos": "Wheels for macOS, and what is proven to be real-time safe",
    "workflows": "The workflows of GitHub",
    "newer": "Pythons that this system does not have yet",
    "free": "A free-threaded Python, compiled first",
}


def part(session: nox.Session, only: str) -> None:
    session.run(sys.executable, "tools/test.py", "--only", only, "--", *session.posargs)


def add(name: str, only: str, text: str) -> None:
    def run(session: nox.Session) -> None:
        part(session, only)

    run.__doc__ = f"{text}."
    nox.session(run, name=name)


for name, text in PARTS.items():
    add(name, name, text)
for version in interpreters.find()[0]:
    add(f"tests-{version}", version, f"All tests on Python {version}")


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the documentation site."""
    session.run("make", "docs")


@nox.session
def bench(session: nox.Session) -> None:
    """Runs the measurements."""
    session.run("make", "bench")


@nox.session
def sbom(session: nox.Session) -> None:
    """Writes build/sbom.json, a bill of materials in CycloneDX's form."""
    session.run(sys.executable, "tools/environment.py", "build/env-sbom", "--tools", "sbom")
    session.run("build/env-sbom/bin/python", "tools/sbom.py", *session.posargs)
