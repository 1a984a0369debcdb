"""Files that were made to cause harm, and systems without memory, disk space or file descriptors.

``VOICECOIL_FUZZ_FILES`` is the number of mutated files that are opened (150).
``VOICECOIL_FUZZ_SEED`` is the first seed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from paths import LIVES
from programs import environment

FILES = int(os.environ.get("VOICECOIL_FUZZ_FILES", "150"))
SEED = int(os.environ.get("VOICECOIL_FUZZ_SEED", "0"))
BATCH = 250

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**environment(), "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.parametrize("first", range(SEED, SEED + FILES, BATCH))
def test_mutated_files_give_sound_or_an_error_of_this_library(first: int) -> None:
    count = min(BATCH, SEED + FILES - first)
    done = run(str(LIVES / "fuzz_files.py"), str(count), str(first))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


LIMITED = """
import contextlib, resource, sys, threading
from pathlib import Path
import numpy as np
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import VoicecoilError
from voicecoil.files import open_source

path, limit = sys.argv[1:]
held = []
vc.record  # which loads it, and not yet what it needs

def play():
    vc.play(path, driver=VirtualDriver([VirtualDevice("A", clock="stepped")]))

def record():
    take = vc.record(path + ".wav", driver=VirtualDriver([VirtualDevice("A", clock="stepped")]))
    assert take.stop() == path + ".wav"

def give_up(call, *builtins):
    try:
        call()
    except VoicecoilError as error:
        assert isinstance(error, builtins), repr(error)
        print(type(error).__name__)
    else:
        raise AssertionError("it worked")

def limit_memory(more):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more,) * 2)

if limit == "files":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.suppress(OSError):
        while True:
            held.append(open("/dev/null"))
    give_up(record, OSError, ImportError)
    give_up(lambda: open_source(path), OSError, ImportError)
    give_up(play, OSError, ImportError)
    for file in held:
        file.close()
    play()  # what failed can be done later
    record()
elif limit == "threads":
    play()  # imports everything
    record()
    driver = VirtualDriver([VirtualDevice("A", clock="stepped")])
    threading.stack_size(1 << 30)
    limit_memory(1 << 28)
    give_up(play, RuntimeError, OSError)  # of the reader, or of the driver
    give_up(lambda: vc.record(path + ".2.wav", driver=driver), RuntimeError, OSError)
elif limit == "memory":
    with open_source(path) as source:
        source.read(10)
        limit_memory(1 << 24)
        give_up(lambda: source.read(10_000_000), MemoryError)
        assert len(source.read(10)) == 10
"""


@linux
@pytest.mark.parametrize("limit", ["files", "threads", "memory"])
def test_a_system_without_memory_or_descriptors(tmp_path: Path, limit: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10_000_000, 1), np.int16), 48_000, "PCM_16")
    done = run("-c", LIMITED, str(path), limit)
    assert done.returncode == 0, done.stderr


FLAC_1_HZ = """
import re, sys
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
try:
    vc.play(sys.argv[1], driver=VirtualDriver([VirtualDevice("A", clock="stepped")]))
except vc.FileFormatError as error:
    assert "its sample rate is 1 Hz" in str(error), error
else:
    raise AssertionError
# Not ru_maxrss: it also counts the process that started this one.
peak_kib = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
assert peak_kib < 300_000, peak_kib
"""


@linux
def test_a_small_flac_at_1_hz_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros((65_535, 1), np.int16), 48_000, "PCM_16")
    data = bytearray(path.read_bytes())
    packed = int.from_bytes(data[18:26], "big") & (1 << 44) - 1
    data[18:26] = (packed | 1 << 44).to_bytes(8, "big")
    path.write_bytes(data)
    done = run("-c", FLAC_1_HZ, str(path))
    assert done.returncode == 0, done.stderr
