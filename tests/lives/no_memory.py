"""Adds a voice to a mixer, or a clip to vc.play's mixer, when there is no memory left.

A program of its own, because CPython's function lets the allocations of all threads fail.
"""

from __future__ import annotations

import _testcapi
import sys
from collections.abc import Callable

import numpy as np

from voicecoil import _core


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
    for allowed in range(200):
        try:
            _testcapi.set_nomemory(allowed, allowed + 1)
            try:
                added = add()
            finally:
                _testcapi.remove_mem_hooks()
        except MemoryError:
            continue
        assert added
        return allowed
    raise AssertionError("it never succeeds")


def add_voice() -> None:
    """The IO thread would use a voice that nothing keeps alive."""
    code = _core.VoicesCode(1, 8, 1.0)
    one = voice()

    def add() -> bool:
        assert code.counts() == (0, 0)
        return code.add(one)

    assert errors_without_memory(add) > 0
    assert code.counts() == (1, 0)
    assert code.all() == [one]


def add_clip() -> None:
    code = _core.MixerCode(1, 8, False)
    clip = _core.MixerClip.from_memory(np.zeros((4, 1), np.float32), 1, None, 1.0)

    def add() -> bool:
        assert code.collect() == 0
        return code.add(clip)

    assert errors_without_memory(add) > 0
    assert code.collect() == 1
    assert code.playing() == [clip]


if __name__ == "__main__":
    {"voice": add_voice, "clip": add_clip}[sys.argv[1]]()
