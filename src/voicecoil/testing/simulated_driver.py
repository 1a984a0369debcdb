"""``driver="coreaudio-simulated"``: the CoreAudio driver on a simulated CoreAudio, for programs.

Two environment variables configure it:

``VOICECOIL_COREAUDIO_SIMULATOR``
    The path of ``libcoreaudio_simulated.so``.
``VOICECOIL_SIMULATED_DEVICES``
    Its devices, separated by ``|``. Each is the number of a fixture or a description, as in
    ``3|uid=mine; in=2; out=2,2,8``. The first device is the system's default. Without this
    variable, the device is fixture ``8``, a loopback.
"""

from __future__ import annotations

import os

from voicecoil.drivers.protocol import Device
from voicecoil.errors import ArgumentError
from voicecoil.testing.simulated_coreaudio import ListeningDriver, SimulatedCoreAudio
from voicecoil.testing.simulated_device import SimulatedDevice

__all__ = ["DEVICES", "SimulatedCoreAudioDriver"]

DEVICES = "VOICECOIL_SIMULATED_DEVICES"


class _Capture:
    """Writes the output of a device to a file when the capture ends."""

    def __init__(
        self, driver: SimulatedCoreAudioDriver, device: SimulatedDevice, path: str
    ) -> None:
        self._driver = driver
        self._device = device
        self._path = path

    def end_capture(self) -> int:
        from voicecoil.files.sink import FileSink

        sound = self._driver.content(self._device)
        runs = self._device.runs()
        rate = runs[-1].rate_hz if runs else 48_000.0
        with FileSink(self._path, rate, sound.shape[1]) as sink:
            sink.write(sound)
        return len(sound)


class SimulatedCoreAudioDriver(ListeningDriver):
    """The CoreAudio driver on a simulated CoreAudio with virtual time that advances by itself.

    A busy machine does not make the simulated devices late. Frames are only lost if a real device
    would have lost them, too.
    """

    def __init__(self) -> None:
        parts = [part.strip() for part in os.environ.get(DEVICES, "8").split("|") if part.strip()]
        world = SimulatedCoreAudio(clock="running")
        for part in parts:
            if part.isdigit():
                world.load_fixture(int(part))
            elif "=" in part:
                world.add_device(part)
            else:
                raise ArgumentError(
                    f"{DEVICES}: {part!r} is neither the number of a fixture nor a description "
                    "such as 'uid=mine; out=2'"
                )
        super().__init__(world, [world.path], name="coreaudio-simulated", own_clock=True)

    def capture(self, device: Device, path: str | os.PathLike[str]) -> _Capture:
        """Write the output of `device` from now on to a float WAV file."""
        self.forget_content()
        return _Capture(self, self.world.device(device.uid), os.fspath(path))
