"""The worker of a stream: its lead over the device, and its thread. See docs/latency.md."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from voicecoil import _core
from voicecoil.arguments import check_seconds
from voicecoil.drivers.protocol import OpenedFormat, ThreadGroup
from voicecoil.errors import ArgumentError, DriverError
from voicecoil.events import Event
from voicecoil.lifetime.kept import take_all
from voicecoil.limits import MAX_LEAD_S
from voicecoil.statistics import Histogram, Statistics, read_statistics
from voicecoil.streams import realtimekit
from voicecoil.streams.rate_converter import RateConverter

__all__ = [
    "DEFAULT_MAX_LEAD_S",
    "CodeMaker",
    "LatencyMode",
    "LeadWorker",
    "WorkerCode",
    "check_latency_mode",
    "check_max_lead",
]

LatencyMode = Literal["safe", "low"] | float

# Twelve times the 5 ms after which CPython makes a thread give up the GIL. It is also longer than
# the time for which ordinary programs hold the GIL without a break.
SAFE_LEAD_S = 0.060
SAFE_CYCLES = 2
DEFAULT_MAX_LEAD_S = 0.5
UNKNOWN_FRAMES = 512  # assumed frames per cycle of a device that does not exist yet


def check_max_lead(max_lead_s: Any, latency_mode: LatencyMode) -> float:
    """Returns the longest lead to which a stream may grow, s; 0: its lead is constant.

    Raises
    ------
    ArgumentError, ArgumentTypeError
    """
    seconds = check_seconds(max_lead_s, "max_lead_s")
    if seconds > MAX_LEAD_S:
        raise ArgumentError(f"max_lead_s={max_lead_s!r} s; give at most {MAX_LEAD_S:g}")
    if latency_mode != "safe" and seconds != DEFAULT_MAX_LEAD_S:
        raise ArgumentError(
            f"max_lead_s={max_lead_s!r} with latency={latency_mode!r}; only the lead of "
            'latency="safe" grows: leave one of them out'
        )
    return seconds if latency_mode == "safe" else 0.0


def check_latency_mode(latency_mode: LatencyMode, own_thread: bool, zero_copy: Any) -> None:
    """Refuses arguments that exclude each other. `own_thread`: the code is native or isolated.

    Raises
    ------
    ArgumentError
    """
    if own_thread and not isinstance(latency_mode, str):
        raise ArgumentError(
            f"latency={latency_mode!r}; a native or isolated callback runs on the device's thread "
            "and needs no lead: leave latency out"
        )
    if zero_copy and not own_thread and latency_mode != "low":
        raise ArgumentError(
            f"zero_copy=True with latency={latency_mode!r}; the device's memory can be used only "
            'on the device\'s thread: give latency="low", or leave zero_copy out'
        )


def lead_block_frames(block_frames: int | None, opened_format: OpenedFormat) -> int:
    """Returns the frames per block of a worker. The default is the device's usual cycle."""
    cycle = opened_format.typical_period_frames or opened_format.max_period_frames
    return block_frames or cycle or UNKNOWN_FRAMES


@dataclass(frozen=True)
class WorkerCode:
    """The code of a worker.

    Attributes
    ----------
    code : PythonCode
    block_frames : int
        Frames per call, at the device's rate.
    converter : RateConverter or None
        Converts between the stream's rate and the device's. None: they are the same.
    """

    code: _core.PythonCode
    block_frames: int
    converter: RateConverter | None


class _Counted(NamedTuple):
    """The parts that count, and the durations that earlier ones have counted at other rates.

    They are exchanged together, so that a thread that reads them never sees a mixture.
    """

    worker: _core.Worker
    program_code: _core.PythonCode
    converter: RateConverter | None
    gil_wait: Histogram = Histogram()
    run_time: Histogram = Histogram()
    margin: Histogram = Histogram()

    def statistics(self, engine: _core.Engine, overloads: int) -> Statistics:
        read = read_statistics(engine, self.program_code, self.worker, overloads)
        gil_wait, run_time, margin = self.durations()
        read = replace(read, gil_wait=gil_wait, run_time=run_time, margin=margin)
        return read if self.converter is None else self.converter.add_counts(read)

    def durations(self) -> tuple[Histogram, Histogram, Histogram]:
        """Returns the GIL waits, run times and margins at all rates."""
        waits, runs = b"", b""
        if isinstance(self.program_code, _core.PythonCode):
            waits, runs = self.program_code.timings()
        return (
            self.gil_wait + Histogram(waits),
            self.run_time + Histogram(runs),
            self.margin + Histogram(self.worker.margins()),
        )


# Makes the code of a worker for the format of a device. The number is how often the callback was
# called before.
CodeMaker = Callable[[OpenedFormat, int], WorkerCode]


class LeadWorker:
    """A callback on a thread of its own, ahead of the device.

    Parameters
    ----------
    make_code : callable
        Makes the code for the format of a device (`CodeMaker`).
    latency_mode : "safe" or float
    opened_format : OpenedFormat
    waited_for : bool
        True if the device's clock is not real. The device's IO thread then waits for the callback,
        so that a test always hears the same. A device in real time never waits.
    channels : (int, int)
        Input and output.
    max_lead_s : float
        The lead grows up to this if the callback was late, s. 0: it is constant.

    Attributes
    ----------
    converter : RateConverter or None
        Converts between the stream's rate and the device's. None: they have always been the same.
    program_code : PythonCode
        The code that the worker runs.
    first_lead_frames : int
        The lead before it has grown, frames.
    """

    def __init__(
        self,
        make_code: CodeMaker,
        latency_mode: LatencyMode,
        opened_format: OpenedFormat,
        waited_for: bool,
        channels: tuple[int, int],
        max_lead_s: float = 0.0,
    ) -> None:
        self._make_code = make_code
        self._channels = channels
        self._max_lead_s = max_lead_s
        self._latency_mode = latency_mode
        self._duplex = all(channels)
        self._waited_for = waited_for
        self._running = False
        self._run = 0
        self._seen = opened_format.max_period_frames > 0
        self._growths: deque[Event] = deque()  # those at an earlier rate
        self._use(make_code(opened_format, 0), opened_format)

    def _use(
        self,
        code: WorkerCode,
        opened_format: OpenedFormat,
        grown_s: float = 0.0,
        durations: tuple[Histogram, ...] = (),
    ) -> None:
        """Makes the compiled worker for the code, at the device's rate.

        `grown_s` and `durations` are the lead and the `_Counted.durations` at an earlier rate.
        """
        self.converter = code.converter
        self.program_code = code.code
        self._block_frames = code.block_frames
        self._device_hz = opened_format.samplerate
        self.first_lead_frames = self._lead(opened_format)
        self.code = _core.Worker(
            code.code,
            input_channels=self._channels[0],
            output_channels=self._channels[1],
            block_frames=code.block_frames,
            max_period_frames=opened_format.max_period_frames or UNKNOWN_FRAMES,
            lead_frames=self._lead(opened_format, round(grown_s * opened_format.samplerate)),
            max_lead_frames=self._max_lead(opened_format),
            samplerate_hz=opened_format.samplerate,
            waited_for=self._waited_for,
        )
        self._counted = _Counted(self.code, code.code, code.converter, *durations)

    def _lead(self, opened_format: OpenedFormat, grown_frames: int = 0) -> int:
        # A cycle takes all its frames at once, so the lead is not shorter than the longest cycle.
        # It is not shorter than a lead that has grown on another device.
        cycle, period = (
            opened_format.max_period_frames or UNKNOWN_FRAMES,
            opened_format.period_frames,
        )
        fits = period is not None and period % self._block_frames == 0
        more = self._block_frames if self._duplex and not fits else 0
        if isinstance(self._latency_mode, float):
            lead_s, least = self._latency_mode, 0
        else:
            lead_s = SAFE_LEAD_S
            least = SAFE_CYCLES * (opened_format.usual_period_frames or cycle)
        wanted = math.ceil(lead_s * opened_format.samplerate)
        frames = max(wanted, cycle, least, grown_frames - more)
        if period is not None:
            frames = -(-frames // cycle) * cycle
        return frames + more

    def _max_lead(self, opened_format: OpenedFormat) -> int:
        return round(self._max_lead_s * opened_format.samplerate)

    @property
    def lead_frames(self) -> int:
        """Latency that the lead adds, frames; it grows if the callback was late.

        It is at least the longest cycle, and a whole number of cycles if all cycles have the same
        length.
        """
        return self.code.lead_frames

    def take_growths(self) -> list[Event]:
        """Returns once the growths of the lead, oldest first."""
        return take_all(self._growths) + self._new_growths()

    def _new_growths(self) -> list[Event]:
        return [Event("lead", *growth) for growth in self.code.growths()]

    def statistics(self, engine: _core.Engine, overloads: int) -> Statistics:
        """Returns the counts of the stream, with those at the rates of earlier devices."""
        return self._counted.statistics(engine, overloads)

    @property
    def running(self) -> bool:
        """Whether the worker's thread may still exist."""
        return self._running

    def start(self, run: int) -> None:
        """Starts the thread for the run with the number `run`.

        Raises
        ------
        DriverError
            The system cannot start a thread.
        """
        if self.converter is not None and run != self._run:
            self.converter.begin()
        self._run = run
        self._running = True  # set first, so that `join` also ends an interrupted start
        if not self.code.start(run):
            self._running = False
            raise DriverError(
                "the system gives no thread; end some of the program's threads",
                call="pthread_create",
            )
        if not self._waited_for:
            realtimekit.raise_soon(self.code)

    def join_group(self, group: ThreadGroup | None) -> None:
        """Lets the worker's thread join a group of real-time threads. None: it stays as it is."""
        if group is not None:
            self.code.join_group(group)

    def stop(self, run: int) -> None:
        """Asks the run with the number `run` to end after all ready frames have been played."""
        if self.converter is None:
            self.code.stop(run)
        elif run == self._run:
            self.converter.end()

    def quit(self, run: int) -> None:
        """Asks the run with the number `run` to end after the current block."""
        self.code.quit(run)

    def join(self, timeout_s: float) -> bool:
        """Ends the thread. Returns False if its callback did not return in time."""
        self.code.quit(self._run)
        if self._running and not self.code.join(timeout_s):
            return False
        self._running = False
        self.code.leave_groups()
        return True

    @property
    def ended(self) -> bool:
        """Whether no thread runs the callback."""
        return self.code.ended

    def fit(self, opened_format: OpenedFormat, waited_for: bool, timeout_s: float) -> bool:
        """Adapts the worker to another device. Returns False if its callback did not return.

        Frames that are ready but not yet played are played on the new device, unless its cycles are
        too long for the present lead, or its rate is another one.
        """
        same_rate = opened_format.samplerate == self._device_hz
        lead_suffices = self._seen and opened_format.max_period_frames <= self.lead_frames
        # If the thread does not run, an earlier call found no memory or no thread, and the device
        # is tried again.
        if same_rate and lead_suffices and waited_for == self._waited_for and self._running:
            return True
        if not self.join(timeout_s):
            return False
        self._seen = True
        self._waited_for = waited_for
        if same_rate:
            self._fit_cycles(opened_format)
        else:
            self._fit_rate(opened_format)
        self.start(self._run)
        return True

    def _fit_cycles(self, opened_format: OpenedFormat) -> None:
        """Adapts the worker, whose thread has ended, to a device with other cycles."""
        self.first_lead_frames = self._lead(opened_format)
        self.code.fit(
            opened_format.max_period_frames,
            self._lead(opened_format, self.lead_frames if self._max_lead_s else 0),
            self._max_lead(opened_format),
            self._waited_for,
        )

    def _fit_rate(self, opened_format: OpenedFormat) -> None:
        """Makes a new worker for a device with another rate than the earlier one."""
        grown_s = self.lead_frames / self._device_hz if self._max_lead_s else 0.0
        blocks = self.code.blocks if self.converter is None else self.converter.blocks
        made = self._make_code(opened_format, blocks)
        if made.converter is not None and self.converter is not None:
            made.converter.nonfinite_samples = self.converter.nonfinite_samples
        self._growths.extend(self._new_growths())
        self._use(made, opened_format, grown_s, self._counted.durations())
