"""A stepped device for playing, recording and listening."""

from __future__ import annotations

import sysconfig
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import SteppedCoreAudio
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import StreamStateError
from voicecoil.sounds.mixing import close_outputs

needs_a_gil = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="a free-threaded Python has no GIL that could be held",
)
PATIENCE = 20_000  # number of attempts, 1 ms each; other threads need far fewer


def until(condition: Callable[[], bool], patience: int = PATIENCE) -> None:
    """Waits until another thread has made the condition true, so that no test depends on time."""
    for _ in range(patience):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("the condition did not become true in time")


class Rig:
    """A looped-back duplex device whose clock the test advances."""

    def __init__(
        self, frames: int = 64, device: SteppedCoreAudio | None = None, **options: Any
    ) -> None:
        self.frames = frames
        options = {"poison": True, **options}
        self.device: Any = device or VirtualDevice("Rig", clock="stepped", frames=frames, **options)
        self.device.capture()
        self.driver: Any = device.driver if device else VirtualDriver([self.device])

    def close(self) -> None:
        """Closes the outputs, which stay open for some time after their last sound."""
        close_outputs()

    def play(self, sound: Any, *args: Any, **options: Any) -> vc.Playback:
        """Plays a sound. Returns when the first frames of a source have been read."""
        playback = vc.play(sound, *args, driver=self.driver, **options)
        if (reader := playback._reader) is not None:
            until(lambda: reader.ring.readable >= reader.prefill_frames or reader.at_end)
        return playback

    def record(self, *args: Any, **options: Any) -> vc.Recording:
        return vc.record(*args, driver=self.driver, **options)

    def step(self, cycles: int = 1) -> None:
        self.device.step(cycles)

    def play_out(self, playback: vc.Playback) -> None:
        """Advances the clock until the whole sound was heard. If another thread reads the sound
        ahead, the clock waits for this thread.
        """
        reader = playback._reader
        while playback.playing:
            if reader is not None:
                until(lambda: reader.ring.readable >= self.frames or reader.at_end)
            try:
                self.step()
            except StreamStateError:  # the sound has ended and its output was closed
                return

    @property
    def heard(self) -> NDArray[np.float32]:
        heard: NDArray[np.float32] = self.device.heard()
        return heard
