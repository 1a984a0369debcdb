"""The CoreAudio driver of a simulation, which records what streams have made."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

from voicecoil.drivers.coreaudio._hal import NO_CONTENT, IOProc
from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
from voicecoil.testing.simulated_device import SimulatedDevice
from voicecoil.testing.simulator_library import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.drivers.coreaudio.stream import CoreAudioStream
    from voicecoil.testing.simulated_coreaudio import SimulatedCoreAudio

__all__ = ["ListeningDriver"]


class ListeningDriver(CoreAudioDriver):
    """The CoreAudio driver, which also records which part of a device's output streams made."""

    _attributes: ClassVar[tuple[str, ...]] = ("world",)

    def __init__(self, world: SimulatedCoreAudio, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.world = world
        self._played: list[tuple[int, int, IOProc]] = []  # device, run, and the IOProc

    def keep(self, device: int, ioproc: IOProc, stream: CoreAudioStream) -> None:
        """Keep an IOProc, and record the run of the device in which it will play."""
        super().keep(device, ioproc, stream)
        run = int(self.world.library.sim_run_count(device))
        newest = Run()
        if run > 0:
            self.world.library.sim_run_info(device, run - 1, ctypes.byref(newest))
        self._played.append((device, run - 1 if newest.running else run, ioproc))

    def forget_content(self) -> None:
        """Exclude from `content` everything that was played so far."""
        self._played.clear()

    def content(self, device: SimulatedDevice) -> NDArray[np.float32]:
        """Return a device's output from the first to the last frame that a stream made.

        Silence between these frames is included.
        """
        import numpy as np

        parts = []
        for number, run in enumerate(device.runs()):
            spans = [
                (counts["content_first"], counts["content_end"])
                for where, begun, ioproc in self._played
                if (where, begun) == (device.id, number)
                and (counts := ioproc.counts())["content_first"] != NO_CONTENT
            ]
            if spans:
                begin = int(run.first_sample_time)
                first, end = min(s[0] for s in spans) - begin, max(s[1] for s in spans) - begin
                parts.append(device.captured(number)[0][max(0, first) : end])
        if not parts:
            return np.zeros((0, sum(device.output_streams())), np.float32)
        return np.concatenate(parts)
