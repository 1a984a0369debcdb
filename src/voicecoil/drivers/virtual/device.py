"""A simulated device without hardware, for tests and machines without sound.

A virtual device runs in real time, as fast as the machine can, or one cycle at a time under the
control of a test. It can loop its output back to its input with exactly the declared latency, it
can capture its output, and faults can be injected.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from voicecoil import _core
from voicecoil.arguments import shown
from voicecoil.drivers.protocol import Device, OpenedFormat, OpenRequest
from voicecoil.drivers.virtual.arguments import (
    check_channels,
    check_choice,
    check_frames,
    check_rate,
)
from voicecoil.drivers.virtual.capture import Capture
from voicecoil.errors import ArgumentError, StreamStateError, StreamTimeoutError
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.sealed import Unique

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_FRAMES", "RATE_CHANGED", "UNPLUGGED", "VirtualDevice"]

Clock = Literal["real", "free", "stepped"]
Layout = Literal["interleaved", "planar", "split"]
Fault = Literal["late", "xrun", "unplug", "rate"]

_CLOCKS = {"real": 0, "free": 1, "stepped": 2}
_LAYOUTS = {"interleaved": 0, "planar": 1, "split": 2}
_FAULTS = {"late": 1, "xrun": 2, "unplug": 3, "rate": 4}
UNPLUGGED, RATE_CHANGED = 1, 2  # values of vc_device_condition
DEFAULT_FRAMES = 512
MAX_FRAMES = 8192
_made: Alive[VirtualDevice] = Alive()
# CoreAudio's IO threads may have a stack of this size. Callbacks that need more fail here, too.
STACK_BYTES = 512 * 1024


class VirtualDevice(Unique):
    """A simulated device without hardware.

    Parameters
    ----------
    name : str
        The name that users know.
    uid : str or None
        The unique identifier. None: derived from the name.
    input_channels, output_channels : int
        Number of channels of each direction; 0: the device does not have that direction.
    stereo_channels : (int, int)
        The output channels, 0-based, of the device's stereo pair.
    samplerate : float
        The rate at which the device runs if no stream sets another one, Hz.
    rates : sequence of float
        The rates to which a stream can set the device, Hz. Empty: any rate.
    clock : {"real", "free", "stepped"}
        "real": the machine's clock. "free": as fast as the machine can. "stepped": one cycle at a
        time, by :meth:`step`.
    frames : int or None
        Frames per IO cycle. None: as many as the first stream asks for, otherwise 512.
    pattern : sequence of int
        Frames of successive cycles, for a device whose cycles vary. Each is at most `frames`.
    layout : {"interleaved", "planar", "split"}
        Layout of the buffers; "split": one buffer for each channel.
    latency_frames : (int, int)
        Input and output latency in addition to the buffer.
    loopback : bool
        Connect the outputs to the inputs. A frame comes in at the sample time at which it leaves,
        so that a round trip takes exactly input latency + output latency.
    tolerance_s : float
        With a real clock: how late a cycle may begin before its frames are lost, s.
    poison : bool
        Fill the buffers with NaN around each cycle, to find code that reads outside of its block.
    clock_ppm : float
        By how much the device's clock is faster than the host time, ppm. Two devices with different
        values drift apart, as real ones do.
    jitter_s : float
        Greatest error of the host times of cycles, s.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "name",
        "uid",
        "input_channels",
        "output_channels",
        "stereo_channels",
        "samplerate",
        "rates",
        "clock",
        "frames",
        "pattern",
        "layout",
        "latency_frames",
        "loopback",
        "tolerance_s",
        "poison",
        "clock_ppm",
        "jitter_s",
    )

    def __init__(
        self,
        name: str = "Virtual Device",
        *,
        uid: str | None = None,
        input_channels: int = 2,
        output_channels: int = 2,
        stereo_channels: tuple[int, int] = (0, 1),
        samplerate: float = 48_000.0,
        rates: Sequence[float] = (),
        clock: Clock = "real",
        frames: int | None = None,
        pattern: Sequence[int] = (),
        layout: Layout = "interleaved",
        latency_frames: tuple[int, int] = (0, 0),
        loopback: bool = True,
        tolerance_s: float = 0.5,
        poison: bool = False,
        clock_ppm: float = 0.0,
        jitter_s: float = 0.0,
    ) -> None:
        self.name = name
        self.uid = uid or f"virtual:{name}"
        self.input_channels = check_channels(input_channels, "input_channels")
        self.output_channels = check_channels(output_channels, "output_channels")
        self.stereo_channels = stereo_channels
        self.samplerate = check_rate(samplerate)
        self.rates = tuple(float(rate) for rate in rates)
        self.clock = check_choice(clock, "clock", Clock)
        self.frames = check_frames(frames)
        self.pattern = tuple(pattern)
        self.layout = check_choice(layout, "layout", Layout)
        self.latency_frames = latency_frames
        self.loopback = loopback
        self.tolerance_s = tolerance_s
        self.poison = poison
        self.clock_ppm = clock_ppm
        self.jitter_s = jitter_s
        self._lock = threading.Lock()  # taken on the main thread only in `uninterrupted` work
        self._switching = threading.Lock()
        self._core: _core.VirtualDevice | None = None
        self._running: tuple[float, int] | None = None  # rate and frames while streams are open
        self._open_streams = 0
        self._started: set[object] = set()  # the streams that run
        self._capture: Capture | None = None
        self._waiting_faults: list[tuple[int, int, int]] = []
        self._epoch_ns = 0  # host time at which a virtual clock continues after a replug
        _made.add(self)

    # ---- for tests and commands ----

    def step(self, cycles: int = 1, timeout_s: float | None = 10.0) -> None:
        """Runs IO cycles of a stepped device and returns when they are over.

        Parameters
        ----------
        cycles : int
            Number of IO cycles.
        timeout_s : float or None
            Longest wait in which no cycle begins or ends, s. None: no limit.

        Raises
        ------
        StreamStateError
            No stream runs on the device, or its clock is not "stepped".
        StreamTimeoutError
            The device stands still.
        """
        core = self._running_core()
        if not self._started:
            raise StreamStateError(f"no stream runs on {self.name!r}, so its clock stands still")
        if self.clock != "stepped":
            raise StreamStateError(
                f'{self.name!r} has a {self.clock} clock; step() is for "stepped"'
            )
        moved, left = time.monotonic(), cycles
        # Wait in slices of 50 ms, because Python handles Ctrl-C only between two calls.
        while not core.step(left, 50_000_000) and core.condition == 0:
            # A busy machine may be slow, so only the time since the newest cycle counts.
            if core.owed != left:
                moved, left = time.monotonic(), core.owed
            elif timeout_s is not None and time.monotonic() > moved + timeout_s:
                raise StreamTimeoutError(
                    f"{left} of {cycles} cycles have not begun: {self.name!r} has stood still "
                    f"for {timeout_s} s"
                )

    def inject(self, fault: Fault, value: int = 0, at_frame: int = 0) -> None:
        """Makes a fault happen before the first cycle at or after `at_frame`.

        Parameters
        ----------
        fault : {"late", "xrun", "unplug", "rate"}
            "late": the cycle takes longer. "xrun": frames are lost. "unplug": the device is
            removed. "rate": another program changes the device's rate.
        value : int
            The additional duration of a late cycle in ns, the number of lost frames, or the new
            rate in Hz.
        at_frame : int
            Position on the device's time line, frames.

        Raises
        ------
        ArgumentError
            There is no such fault.
        StreamStateError
            Eight faults are already waiting.
        """
        if fault not in _FAULTS:
            raise ArgumentError(f"fault={shown(fault)}; possible are {', '.join(_FAULTS)}")

        def inject() -> None:
            with self._lock:
                if self._core is None:
                    self._waiting_faults.append((_FAULTS[fault], value, at_frame))
                elif not self._core.inject(_FAULTS[fault], value, at_frame):
                    raise StreamStateError("eight faults are already waiting")

        uninterrupted("inject", inject)

    @property
    def unplugged(self) -> bool:
        """Whether the device is unplugged. :meth:`replug` ends this."""
        return self._core is not None and self._core.condition == UNPLUGGED

    def replug(self, away_s: float = 0.0) -> None:
        """Plugs an unplugged device in again.

        Parameters
        ----------
        away_s : float
            How long the device was away, s. A clock other than the machine's advances by this time.
            The sample time begins anew.
        """

        def replug() -> None:
            with self._lock:
                self._epoch_ns = self.virtual_ns() + round(away_s * 1e9)
                self._core = None
                self._running = None

        uninterrupted("replug", replug)

    def capture(self, path: str | os.PathLike[str] | None = None) -> None:
        """Captures the output from now on.

        The capture begins with the first frame that a stream made and ends with the last one.
        Silence between them is included. The file is a WAV file of float samples. Call it while no
        stream is open.

        Parameters
        ----------
        path : path or None
            The file. None: in memory.

        Raises
        ------
        StreamStateError
            A stream is open on the device.
        """

        def capture() -> None:
            with self._lock:
                if self._core is not None and self._open_streams:
                    raise StreamStateError(
                        f"{self.name!r} is running; capture() comes before the streams"
                    )
                self._core = None
                self._capture = Capture(path, self.output_channels)

        uninterrupted("capture", capture)

    def capture_into(self, frames: NDArray[np.float32]) -> None:
        """Captures into a C-contiguous array of shape (frames, channels).

        Frames for which the array has no room are dropped. Call it when a stream is open and before
        the stream starts.
        """
        self._running_core().capture_into(frames)

    @property
    def capture_room(self) -> int:
        """Frames that still fit into the array of :meth:`capture_into`.

        Read it while no stream runs.
        """
        return self._core.capture_room if self._core is not None else 0

    def heard(self) -> NDArray[np.float32]:
        """Return the output captured in memory so far.

        Returns
        -------
        ndarray of float32, shape (frames, channels)
            From the first to the last frame that a stream made.

        Raises
        ------
        StreamStateError
            Nothing is captured.
        """
        if self._capture is None:
            raise StreamStateError("nothing is captured; call capture() first")
        return uninterrupted("capture", self._capture.heard)

    def end_capture(self) -> int:
        """Writes the remaining frames of a capture and closes its file.

        Returns
        -------
        int
            Number of frames in the file.
        """
        if self._capture is None:
            return 0
        return uninterrupted("capture", self._capture.close)

    @property
    def capture_lost_frames(self) -> int:
        """Frames for which the capture had no room."""
        return self._core.capture_lost_frames if self._core is not None else 0

    @property
    def frame(self) -> int:
        """The current position on the device's time line, frames."""
        return self._core.frame if self._core is not None else 0

    @property
    def lost_frames(self) -> int:
        """Frames that were lost because cycles were late or because of injected faults."""
        return self._core.lost_frames if self._core is not None else 0

    def now_ns(self) -> int:
        """Return the device's host time.

        Returns
        -------
        int
            Nanoseconds.
        """
        return self._core.clock_ns() if self._core is not None else _core.clock_ns()

    # ---- for the driver ----

    def virtual_ns(self) -> int:
        """Return the host time that a virtual clock has reached, ns; 0 if it has not begun."""
        if self._core is None or self.clock == "real":
            return self._epoch_ns
        return max(self._epoch_ns, self._core.clock_ns())

    def forget_parent(self) -> None:
        """Drops the parent's IO thread, streams and capture. Called in a forked child."""
        self._lock = threading.Lock()
        self._switching = threading.Lock()
        self._core = self._running = self._capture = None
        self._open_streams = 0
        self._started = set()

    def describe(self, is_default_input: bool, is_default_output: bool) -> Device:
        return Device(
            name=self.name,
            uid=self.uid,
            driver="virtual",
            input_channels=self.input_channels,
            output_channels=self.output_channels,
            samplerate=self._rate(),
            is_default_input=is_default_input,
            is_default_output=is_default_output,
            stereo_channels=self.stereo_channels,
            transport="virtual",
            samplerates=tuple(self.rates) or None,
            input_latency_frames=self.latency_frames[0] if self.input_channels else None,
            output_latency_frames=self.latency_frames[1] if self.output_channels else None,
        )

    def _rate(self) -> float:
        if self._core is not None and self._core.condition == RATE_CHANGED:
            return float(self._core.new_samplerate)
        # A rate that a stream has set applies until the last stream is closed.
        return self._running[0] if self._running and self._open_streams else self.samplerate

    def rate_note(self, request: OpenRequest) -> str:
        """Returns the end of a message that says that the device runs at another rate.

        Parameters
        ----------
        request : OpenRequest
            The request that was opened at another rate.

        Returns
        -------
        str
            The rates that the device offers, or `OpenedFormat.rate_note` if another stream has set
            the rate.
        """
        if self.rates and request.samplerate not in (None, *self.rates):
            return f"and offers {', '.join(f'{rate:g}' for rate in self.rates)} Hz"
        return OpenedFormat.rate_note

    def _running_core(self) -> _core.VirtualDevice:
        if self._core is None or self._open_streams == 0:
            raise StreamStateError(f"no stream is open on {self.name!r}")
        return self._core

    def acquire(
        self, request: OpenRequest, since_ns: int
    ) -> tuple[_core.VirtualDevice, float, int]:
        """Returns the device's core, its rate (Hz) and the frames per cycle.

        The first open stream determines the rate and the frames. If the call makes a new virtual
        clock, the clock begins at `since_ns` or later.
        """
        with self._lock:
            if self._core is not None and self._core.condition == RATE_CHANGED:
                self.samplerate = float(self._core.new_samplerate)
                self._core = self._running = None  # streams that are open keep the old core
            if self._running is None or self._open_streams == 0:
                rate = request.samplerate or self.samplerate
                if self.rates and rate not in self.rates:
                    rate = self.samplerate
                frames = self.frames or min(request.block_frames or DEFAULT_FRAMES, MAX_FRAMES)
                if self._core is None or (rate, frames) != self._running:
                    self._epoch_ns = max(since_ns, self.virtual_ns())
                    self._core = self._make(rate, frames)
                self._running = (rate, frames)
            assert self._core is not None
            self._open_streams += 1
            return self._core, *self._running

    @contextlib.contextmanager
    def switching(self, timeout_s: float) -> Iterator[None]:
        """Lets one stream at a time start or stop, because device.h allows one control thread."""
        if not self._switching.acquire(timeout=timeout_s):
            raise StreamTimeoutError(
                f"another stream did not start or stop on {self.name!r} within {timeout_s:.3g} s"
            )
        try:
            yield
        finally:
            self._switching.release()

    def started(self, stream: object) -> None:
        self._started.add(stream)

    def stopped(self, stream: object) -> None:
        self._started.discard(stream)

    def release(self) -> None:
        with self._lock:
            self._open_streams = max(0, self._open_streams - 1)

    def _make(self, rate: float, frames: int) -> _core.VirtualDevice:
        core = _core.VirtualDevice(
            input_channels=self.input_channels,
            output_channels=self.output_channels,
            frames=frames,
            pattern=self.pattern,
            samplerate_hz=rate,
            clock=_CLOCKS[self.clock],
            layout=_LAYOUTS[self.layout],
            input_latency_frames=frames + self.latency_frames[0],
            output_latency_frames=frames + self.latency_frames[1],
            tolerance_frames=int(self.tolerance_s * rate),
            epoch_ns=self._epoch_ns,
            stack_bytes=STACK_BYTES,
            loopback=self.loopback,
            poison=self.poison,
            clock_ppm=self.clock_ppm,
            jitter_ns=round(self.jitter_s * 1e9),
        )
        for fault in self._waiting_faults:
            core.inject(*fault)
        self._waiting_faults.clear()
        if self._capture is not None:
            core.capture(self._capture.open(rate))
        return core


def _after_fork_in_child() -> None:
    for device in _made.now():
        device.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
