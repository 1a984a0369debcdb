"""A stream on a virtual device."""

from __future__ import annotations

from voicecoil import _core
from voicecoil.drivers.base import DriverStreamBase
from voicecoil.drivers.protocol import Latency, OpenedFormat, OpenRequest
from voicecoil.drivers.virtual.device import RATE_CHANGED, UNPLUGGED, VirtualDevice
from voicecoil.errors import DriverError

__all__ = ["VirtualStream"]

SWITCH_TIMEOUT_S = 5.0


class VirtualStream(DriverStreamBase):
    """A `DriverStream` on a virtual device.

    Parameters
    ----------
    device : VirtualDevice
    request : OpenRequest
    since_ns : int
        If the device's virtual clock begins now, it begins at this host time or later.
    """

    def __init__(self, device: VirtualDevice, request: OpenRequest, since_ns: int) -> None:
        self._device = device
        self._request = request
        self._core, rate, frames = device.acquire(request, since_ns)
        self._engine: _core.Engine | None = None
        behind, ahead = (
            Latency(device_frames=more, buffer_frames=frames, samplerate=rate)
            for more in device.latency_frames
        )
        opened_format = OpenedFormat(
            samplerate=rate,
            period_frames=None if device.pattern else frames,
            max_period_frames=frames,
            latency=lambda direction: behind if direction == "input" else ahead,
            rate_note=device.rate_note(request),
        )
        clock = self._core if device.clock != "real" else None
        super().__init__(device.name, opened_format, clock)

    def _start(self, engine: _core.Engine) -> None:
        with self._device.switching(SWITCH_TIMEOUT_S):
            # Set before the engine is attached, so that `stop` detaches it after an exception.
            self._engine = engine
            attached = self._core.attach(engine, self._request.input_map, self._request.output_map)
            if not attached:
                self._engine = None
        if not attached:
            raise DriverError(
                f"{self._name!r} takes 64 running streams at a time, and as many threads as "
                "the system gives; stop another stream first",
                call="vc_device_attach",
            )
        self._device.started(self)

    def stop(self, timeout_s: float) -> None:
        if self._engine is None:
            return
        # This wait is outside `switching`, so that a stuck callback delays no other stream.
        if not self._core.quiet(self._engine, int(timeout_s * 1e9)):
            raise self._callback_is_stuck(timeout_s)
        with self._device.switching(timeout_s):
            self._core.detach(self._engine, 0)
        self._engine = None
        self._device.stopped(self)

    def _close(self) -> None:
        self._device.release()

    def _notice(self) -> None:
        condition = self._core.condition
        if condition == UNPLUGGED:
            self._lost = f"the device {self._name!r} was unplugged"
        elif condition == RATE_CHANGED:
            self._lost = f"the device {self._name!r} changed its sample rate under the stream"
