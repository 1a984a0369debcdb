"""``driver="coreaudio-simulated"``: CoreAudio's driver on a simulated CoreAudio, for a program.

Two environment variables say what it is:

``VOICECOIL_COREAUDIO_SIMULATOR``
    The path of ``libcoreaudio_simulated.so``.
``VOICECOIL_SIMULATED_DEVICES``
    Its devices, separated by ``|``: numbers of fixtures or descriptions of your own, as in
    ``3|uid=mine; in=2; out=2,2,8``. Default: ``8``, a loopback. The first one is the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicecoil.drivers.coreaudio._hal import NO_CONTENT, IOProc
from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
from voicecoil.drivers.driver import Device
from voicecoil.errors import ArgumentError
from voicecoil.testing.simulated_coreaudio import SimulatedCoreAudio, SimulatedDevice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEVICES", "SimulatedCoreAudioDriver"]

DEVICES = "VOICECOIL_SIMULATED_DEVICES"


@dataclass(frozen=True)
class _Span:
    """What one stream made in one run of a device: output sample times."""

    device: int
    run: int
    first: int
    end: int


class _Capture:
    """Writes what a device was given to play, when it is over."""

    def __init__(
        self, driver: SimulatedCoreAudioDriver, device: SimulatedDevice, path: str
    ) -> None:
        self._driver = driver
        self._device = device
        self._path = path

    def end_capture(self) -> int:
        from voicecoil.files import FileSink

        sound = self._driver.heard(self._device)
        runs = self._device.runs()
        rate = runs[-1].rate_hz if runs else 48_000.0
        with FileSink(self._path, rate, sound.shape[1]) as sink:
            sink.write(sound)
        return len(sound)


class SimulatedCoreAudioDriver(CoreAudioDriver):
    """The driver of CoreAudio on a simulated one, whose virtual time runs by itself.

    A machine that is late does not make its devices late: nothing is lost that a real device would
    not have lost.
    """

    def __init__(self) -> None:
        parts = [part.strip() for part in os.environ.get(DEVICES, "8").split("|") if part.strip()]
        self.world = SimulatedCoreAudio(clock="running")
        for part in parts:
            if part.isdigit():
                self.world.load_fixture(int(part))
            elif "=" in part:
                self.world.add_device(part)
            else:
                raise ArgumentError(
                    f"{DEVICES}: {part!r} is neither the number of a fixture nor a description "
                    "such as 'uid=mine; out=2'"
                )
        super().__init__([self.world.path], name="coreaudio-simulated", own_clock=True)
        self._spans: list[_Span] = []

    def stopped(self, device: int, ioproc: IOProc) -> None:
        """Notes what was played where."""
        counts = ioproc.counts()
        if counts["content_first"] != NO_CONTENT:
            run = int(self.world.library.sim_run_count(device)) - 1
            self._spans.append(_Span(device, run, counts["content_first"], counts["content_end"]))

    def capture(self, device: Device, path: str | os.PathLike[str]) -> _Capture:
        """Keeps what `device` hears from now on, in a float WAV file."""
        self._spans.clear()
        return _Capture(self, self.world.device(device.uid), os.fspath(path))

    def heard(self, device: SimulatedDevice) -> NDArray[np.float32]:
        """From the first frame that a stream made to the last one, (frames, channels)."""
        import numpy as np

        runs = device.runs()
        parts = []
        for number, run in enumerate(runs):
            spans = [s for s in self._spans if (s.device, s.run) == (device.id, number)]
            if spans:
                begin = int(run.first_sample_time)
                first = min(span.first for span in spans) - begin
                end = max(span.end for span in spans) - begin
                parts.append(device.captured(number)[0][first:end])
        if not parts:
            return np.zeros((0, sum(device.output_streams())), np.float32)
        return np.concatenate(parts)
