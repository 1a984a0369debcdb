"""The Python examples of README.md and of every page in docs/ run on the virtual device.

The blocks of a page run in their order, as one program. At each question, the program gets Enter.
tools/docs.py runs the blocks with doctests, and test_testing_page.py runs the tests in
docs/testing.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coreaudio import simulator_path
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHER_TEST = "docs/testing.md"
FENCED = re.compile(r"^```(?:python|py|pycon)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = {str(page.relative_to(ROOT)): FENCED.findall(page.read_text()) for page in PAGES}
MODULE = re.compile(r"# (\w+\.py)\n")  # the first line of a block that is a module of its own

TONE = "import voicecoil as vc\ndef tone(block):\n    block.output[:] = 0.1\n"
NUMBA = """
import numba
import voicecoil
@numba.cfunc(voicecoil.native.numba_signature())
def another_cfunc(output, input, frames, block, user):
    return 0
"""
SONG = """
import numpy, soundfile
soundfile.write("song.flac", numpy.zeros((4800, 2)), 48_000)
"""
# Makes an audio interface with more than two inputs the default device.
INTERFACE = """
from voicecoil.drivers.choose import get_driver
from voicecoil.testing import VirtualDevice
get_driver("virtual").virtual_devices[:] = [VirtualDevice(input_channels=4)]
def callback(block):
    block.output[:] = block.input
"""
# Pages about CoreAudio, which run on the simulated one.
COREAUDIO = {"docs/aggregates.md", "docs/hal.md", "docs/system_audio.md"}
# Code that runs before the blocks of a page. It defines names that the text of the page introduces.
BEFORE = {
    "README.md": SONG,
    "docs/devices.md": TONE + "    raise vc.Stop  # because the first example waits for the end\n",
    "docs/files.md": "import voicecoil as vc\n",
    "docs/latency.md": TONE
    + NUMBA
    + "numba_cfunc = another_cfunc\n"
    + "from pathlib import Path\n"
    + """Path("mysynth.py").write_text("def tone(block): pass")\n""",
    "docs/native.md": NUMBA,
    "docs/start.md": SONG + INTERFACE,
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.interpreter if "isolated=" in "".join(blocks) else ())
        for page, blocks in BLOCKS.items()
        if blocks and page != OTHER_TEST
    ],
)
def test_the_examples_of_a_page_run(page: str, tmp_path: Path) -> None:
    program = BEFORE.get(page, "")
    for block in BLOCKS[page]:
        if module := MODULE.match(block):
            (tmp_path / module[1]).write_text(block)
        else:
            program += block
    if "numba" in program:
        pytest.importorskip("numba", reason="NOT TESTED: numba is not installed")
    if "isolated=True" in program and sys.version_info < (3, 12):
        pytest.skip("isolated=True needs Python 3.12")
    env = {**os.environ, "VOICECOIL_DRIVER": "virtual"}
    if page in COREAUDIO:
        program = program.replace('driver="coreaudio"', 'driver="coreaudio-simulated"')
        env["VOICECOIL_DRIVER"] = "coreaudio-simulated"
        env["VOICECOIL_SIMULATED_DEVICES"] = "1|2|3|22"
        env["VOICECOIL_COREAUDIO_SIMULATOR"] = simulator_path()
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        env=env,
        input="\n" * 5,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), program


def test_every_block_of_python_is_run() -> None:
    """No test would run a block whose fence has another spelling of the language's name."""
    for page in PAGES:
        fences = re.findall(r"^ *```+ *\{?(\w*)", page.read_text(), re.MULTILINE)
        python = {f for f in fences if f.lower() in ("python3", "ipython", "testcode", "code")}
        assert not python, f"{page}: use ```python or ```{{doctest}}"
    assert BLOCKS[OTHER_TEST]
