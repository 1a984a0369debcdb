"""The memory of a program that plays and records for long, and one that has no memory left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from paths import LIVES
from voicecoil import _core

SECONDS = float(os.environ.get("VOICECOIL_MEMORY_S", "60"))  # of virtual time; 1800: 30 min
MOST_BYTES = 2_000_000
PROGRAM = LIVES / "live_memory.py"


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: it reads /proc/self/statm")
@pytest.mark.timeout(200 + SECONDS)
def test_the_memory_of_a_player_a_recorder_and_a_mixer_stays_the_same() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=180 + SECONDS,
    )
    assert done.returncode == 0, done.stderr
    half, end = map(int, done.stdout.split())
    assert end - half < MOST_BYTES


def voice() -> _core.VoiceCode:
    return _core.VoiceCode(
        np.zeros((4, 1), np.float32),
        group=0,
        start=0,
        loop=(0, 4),
        loops=1,
        fades=(0, 0),
        ramp_frames=0,
        when=_core.WHEN_NEXT,
        at=0,
        skips_late=False,
        levels=(1.0, 1.0, 1.0),
        rate=1.0,
    )


def errors_without_memory(add: Callable[[], bool]) -> int:
    """Calls `add` until it succeeds. Each time, one allocation more succeeds before one fails."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("without the GIL, other threads would get errors for want of memory as well")
    testcapi = pytest.importorskip("_testcapi", reason="CPython's test modules are not installed")
    for allowed in range(200):
        try:
            testcapi.set_nomemory(allowed, allowed + 1)
            try:
                added = add()
            finally:
                testcapi.remove_mem_hooks()
        except MemoryError:
            continue
        assert added
        return allowed
    raise AssertionError("it never succeeds")


def test_a_voice_that_there_is_no_memory_for_is_not_added() -> None:
    """The IO thread would use a voice that nothing keeps alive."""
    code = _core.VoicesCode(1, 8, 1.0)
    one = voice()

    def add() -> bool:
        assert code.counts() == (0, 0)
        return code.add(one)

    assert errors_without_memory(add) > 0
    assert code.counts() == (1, 0)
    assert code.all() == [one]


def test_a_clip_that_there_is_no_memory_for_is_not_added() -> None:
    code = _core.MixerCode(1, 8, False)
    clip = _core.MixerClip.from_memory(np.zeros((4, 1), np.float32), 1, None, 1.0)

    def add() -> bool:
        assert code.collect() == 0
        return code.add(clip)

    assert errors_without_memory(add) > 0
    assert code.collect() == 1
    assert code.playing() == [clip]
