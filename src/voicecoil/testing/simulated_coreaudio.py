"""A CoreAudio that is not there, for tests.

    with SimulatedCoreAudio(fixtures=[3]) as simulated:
        with voicecoil.OutputStream(callback, driver=simulated.driver):
            simulated.advance(2.0)                # two seconds of IO cycles, done when it returns
        heard = simulated.device("USBDuplex:1").heard()

Time is virtual: nothing happens but in `advance`, and in what waits for the device itself, so a
test takes a fraction of the time that it plays, and comes out the same each time. Leaving the
`with` fails when anything is left behind: an IOProc, a listener, an object of CoreFoundation's.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from voicecoil.drivers.coreaudio._hal import NO_CONTENT, IOProc
from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
from voicecoil.drivers.coreaudio.hal import OUTPUT, selector
from voicecoil.drivers.coreaudio.opening import Timeouts
from voicecoil.errors import ArgumentError, DeviceNotFoundError, StreamStateError
from voicecoil.testing.simulator_library import Run, find_simulator, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DecodedInput",
    "SimulatedCoreAudio",
    "SimulatedDevice",
    "decode_input",
    "find_simulator",
]

Clock = Literal["stepped", "running", "real"]
Input = Literal["encoded", "silence", "loopback", "sine"]
_INPUTS = {"encoded": 0, "silence": 1, "loopback": 2, "sine": 3}
FOREVER = 2**64 - 1
_used = threading.Lock()  # a process has one CoreAudio


@dataclass(frozen=True)
class DecodedInput:
    """What encoded input samples say of themselves; arrays of the samples' shape.

    Attributes
    ----------
    valid : ndarray of bool
        Whether it is such a sample at all; the rest of its fields mean nothing otherwise.
    serial, stream, channel : ndarray of int
        Which device, which of its input streams, which channel in it.
    sample_time : ndarray of int
        Frames, modulo 262144.
    """

    valid: NDArray[np.bool_]
    serial: NDArray[np.int64]
    stream: NDArray[np.int64]
    channel: NDArray[np.int64]
    sample_time: NDArray[np.int64]


def decode_input(samples: NDArray[np.float32]) -> DecodedInput:
    """Decodes what simulated devices record, see the simulator's README."""
    import numpy as np

    bits = np.ascontiguousarray(samples, np.float32).view(np.uint32).astype(np.int64)
    exponent = 126 - (bits >> 23 & 0xFF)
    code = (bits >> 31) << 29 | (exponent & 0x3F) << 23 | bits & 0x7FFFFF
    return DecodedInput(
        valid=(exponent >= 0) & (exponent < 64),
        serial=code >> 26 & 0xF,
        stream=code >> 22 & 0xF,
        channel=code >> 18 & 0xF,
        sample_time=code & 0x3FFFF,
    )


class SimulatedDevice:
    """One device of a `SimulatedCoreAudio`; made by its `device` and `add_device`."""

    def __init__(self, world: SimulatedCoreAudio, uid: str, object_id: int) -> None:
        self._world = world
        self._library = world.library
        self.uid = uid
        self.id = object_id  # AudioObjectID; another one after a replug
        self._layout: list[int] | None = None

    def output_streams(self) -> list[int]:
        """Channels of each output stream; what they were, when it is gone."""
        if self._layout is None:
            hal = self._world.driver.hal
            self._layout = self._world.driver.call("", lambda: hal.buffers(self.id, OUTPUT), 10.0)
        return self._layout

    # ---- what happens to it ----

    def remove(self) -> None:
        """Unplugs it."""
        self.output_streams()
        self._world.check(self._library.sim_remove_device(self.id))

    def replug(self) -> None:
        """Plugs it in again: same uid, new ID."""
        self.id = int(self._library.sim_replug_device(self.id))
        self._world.check(0 if self.id else -1)

    def change_rate(self, samplerate: float) -> None:
        """Another process sets its rate, Hz."""
        self._world.check(self._library.sim_change_rate(self.id, samplerate))

    def set_input(self, kind: Input) -> None:
        """What it records: samples that say what they are, zeros, its own output, or a sine."""
        if kind not in _INPUTS:
            raise ArgumentError(f"kind={kind!r}; possible are {', '.join(_INPUTS)}")
        self._world.check(self._library.sim_set_input(self.id, _INPUTS[kind]))

    def overload(self, cycles: int = 1) -> None:
        """Its next cycle overloads, and `cycles` cycles are lost; 0: a false alarm."""
        self._world.check(self._library.sim_inject_overload(self.id, cycles))

    def hang(self, duration_ns: int = FOREVER, what: str = "") -> None:
        """AudioDeviceStart blocks that long, or every get of the property `what`."""
        code = selector(what) if what else 0
        self._world.check(self._library.sim_hang(self.id, code, duration_ns))

    def hog(self, pid: int) -> None:
        """Another process takes it for itself; -1 gives it back."""
        self._world.check(self._library.sim_hog(self.id, pid))

    def notify(self, what: str, scope: str = "glob") -> None:
        """Says that the property `what` has changed, which it has not."""
        self._world.check(self._library.sim_notify(self.id, selector(what), selector(scope), 0))

    def override(
        self,
        what: str,
        value: bytes | None = None,
        *,
        status: int = 0,
        said_size: int = -1,
        scope: str = "****",
        object_id: int | None = None,
    ) -> None:
        """From now on the property answers `status`, or these bytes.

        Parameters
        ----------
        what : str
            Four characters.
        value : bytes or None
        status : int
            OSStatus.
        said_size : int
            What a question for the size is answered; -1: the truth.
        scope : str
            "glob", "inpt", "outp", or "****" for any.
        object_id : int or None
            Another object than the device, such as one of its streams.
        """
        value = value or b""
        size = len(value) if said_size < 0 else said_size
        scopes = ("glob", "inpt", "outp") if scope == "****" else (scope,)
        for one in scopes:
            self._world.check(
                self._library.sim_override_property(
                    self.id if object_id is None else object_id,
                    selector(what),
                    selector(one),
                    0,
                    status,
                    size,
                    value,
                    len(value),
                )
            )

    # ---- what it did ----

    @property
    def serial(self) -> int:
        """What its encoded input says in `DecodedInput.serial`."""
        return int(self._library.sim_device_serial(self.id))

    def runs(self) -> list[Run]:
        """Its runs, oldest first. A restart and a change of rate each begin a new one."""
        found = []
        for index in range(self._library.sim_run_count(self.id)):
            run = Run()
            self._world.check(self._library.sim_run_info(self.id, index, ctypes.byref(run)))
            found.append(run)
        return found

    def captured(self, run: int = -1) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What was sent to it in one run: (frames, channels), and which frames came in time."""
        import numpy as np

        runs = self.runs()
        if not runs:
            raise StreamStateError(f"{self.uid!r} never ran")
        index = range(len(runs))[run]
        frames = int(runs[index].frames)
        present = np.zeros(frames, np.uint8)
        columns: list[NDArray[np.float32]] = []
        for stream, channels in enumerate(self.output_streams()):
            for channel in range(channels):
                column = np.zeros(frames, np.float32)
                self._library.sim_capture_read(
                    self.id,
                    index,
                    stream,
                    channel,
                    0,
                    frames,
                    column.ctypes.data,
                    present.ctypes.data,
                )
                columns.append(column)
        sound = np.stack(columns, axis=1) if columns else np.zeros((frames, 0), np.float32)
        return sound, present.astype(bool)

    def heard(self, run: int | None = None) -> NDArray[np.float32]:
        """What was heard, from the first frame that is not silence to the last, in all runs or one.

        Frames that no IO cycle delivered in time are silence.
        """
        import numpy as np

        numbers = range(len(self.runs())) if run is None else [run]
        parts = [self.captured(number)[0] for number in numbers]
        if not parts:
            return np.zeros((0, 0), np.float32)
        sound = np.concatenate(parts)
        loud = np.flatnonzero(sound.any(axis=1))
        return sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:0]

    def run_cycles(self, cycles: int, frames: int = 0) -> None:
        """Steps the time until that many more of its IO cycles were run.

        Where it does not run, time passes all the same.

        Raises
        ------
        StreamStateError
            It runs, but its cycles do not come.
        """
        runs = self.runs()
        frames = frames or self.buffer_frames
        rate = runs[-1].rate_hz if runs else 48_000.0
        step = int(frames / rate * 1e9 / 4)
        target = sum(run.cycles for run in runs) + cycles
        for done in range(20_000 + 8 * cycles):
            if sum(run.cycles for run in self.runs()) >= target:
                return
            # A device that is changing its rate begins a little later.
            if done >= 4 * cycles + 8 and self._world.counter("live_running_io_procs") == 0:
                return
            self._world.advance_ns(step)
        raise StreamStateError(f"{self.uid!r} runs, but {cycles} IO cycles did not come")

    @property
    def buffer_frames(self) -> int:
        """Frames per cycle that this process set."""
        hal = self._world.driver.hal
        return int(self._world.driver.call("", lambda: hal.u32(self.id, "fsiz"), 10.0))

    def emission_ns(self, sample_time: float, run: int = -1, stream: int = 0) -> int:
        """When a frame of output left the hardware, on its true clock, ns."""
        index = range(len(self.runs()))[run]
        return int(self._library.sim_emission_ns(self.id, index, stream, sample_time))


class ListeningDriver(CoreAudioDriver):
    """CoreAudio's driver, that remembers which part of what a device played streams made."""

    def __init__(self, world: SimulatedCoreAudio, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.world = world
        self._played: list[tuple[int, int, IOProc]] = []  # device, run, and what played there

    def keep(self, device: int, ioproc: IOProc) -> None:
        """Notes in which run it will play."""
        super().keep(device, ioproc)
        run = int(self.world.library.sim_run_count(device))
        newest = Run()
        if run > 0:
            self.world.library.sim_run_info(device, run - 1, ctypes.byref(newest))
        self._played.append((device, run - 1 if newest.running else run, ioproc))

    def forget_content(self) -> None:
        """What was played before is not heard."""
        self._played.clear()

    def content(self, device: SimulatedDevice) -> NDArray[np.float32]:
        """From the first frame that a stream made to the last one, silence between included."""
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


class SimulatedCoreAudio:
    """A CoreAudio that is not there. One at a time in a process.

    Parameters
    ----------
    library : path, optional
        ``libcoreaudio_simulated.so``. Default: ``VOICECOIL_COREAUDIO_SIMULATOR``.
    seed : int
        Sets all switches on which the real CoreAudio's behaviour is not known, or varies; 0: their
        defaults. The same seed gives the same world.
    fixtures : iterable of int
        Ready-made devices, see the simulator's README.
    devices : iterable of str
        Devices of your own: ``"uid=mine; in=2; out=2,2,8; rates=44100,48000"``.
    switches : mapping of str to int
        Over those of the seed, see the simulator's README.
    clock : {"stepped", "running", "real"}
        Virtual time that moves in `advance` and while something waits for the device; virtual time
        that runs by itself; or real time.
    speed : float
        "running": how many times as fast as real time.
    timebase : (int, int)
        ns per tick of host time: (125, 3) is Apple silicon, (1, 1) Intel.
    timeouts : Timeouts, optional
        Of the driver.
    """

    def __init__(
        self,
        library: str | os.PathLike[str] | None = None,
        *,
        seed: int = 0,
        fixtures: Iterable[int] = (),
        devices: Iterable[str] = (),
        switches: Mapping[str, int] | None = None,
        clock: Clock = "stepped",
        speed: float = 1.0,
        timebase: tuple[int, int] = (125, 3),
        timeouts: Timeouts | None = None,
    ) -> None:
        self.path = find_simulator(library)
        self.library: Any = load(self.path)
        self.seed = seed
        if clock not in ("stepped", "running", "real"):
            raise ArgumentError(f'clock={clock!r}; possible are "stepped", "running" and "real"')
        if not _used.acquire(blocking=False):
            raise StreamStateError("a process has one CoreAudio; close the other one first")
        self._open = True
        self._clock: Clock = clock
        try:
            self.library.sim_configure(seed)
            if clock == "real":
                self.library.sim_use_real_time()
            else:
                self.library.sim_use_virtual_time()
                self.set("auto_advance", int(clock == "stepped"))
            self.check(self.library.sim_set_timebase(*timebase))
            for name, value in (switches or {}).items():
                self.set(name, value)
            for number in fixtures:
                self.load_fixture(number)
            for description in devices:
                self.add_device(description)
            self.driver = self._make_driver(timeouts)
            if clock == "running":
                self.check(self.library.sim_start_clock(speed))
        except BaseException:
            self._end()
            raise

    def _make_driver(self, timeouts: Timeouts | None) -> ListeningDriver:
        return ListeningDriver(
            self,
            [self.path],
            name="coreaudio-simulated",
            own_clock=self._clock != "real",
            stepped=self._clock == "stepped",
            timeouts=timeouts,
        )

    # ---- the world ----

    def check(self, result: int) -> None:
        """Fails with the simulator's own words where a control function gave -1."""
        if result != 0:
            raise ArgumentError(f"the simulator refused: {self.report().splitlines()[-1:]}")

    def set(self, switch: str, value: int) -> None:
        """Sets one switch."""
        self.check(self.library.sim_set(switch.encode(), value))

    def get(self, switch: str) -> int:
        """One switch."""
        return int(self.library.sim_get(switch.encode()))

    def load_fixture(self, number: int) -> None:
        """Plugs the devices of a fixture in, see the simulator's README."""
        self.check(self.library.sim_load_fixture(number))

    def add_device(self, description: str) -> SimulatedDevice:
        """Plugs a device of your own in."""
        object_id = int(self.library.sim_add_device(description.encode()))
        if object_id == 0:
            raise ArgumentError(f"{description!r}: {self.report().splitlines()[-1:]}")
        pairs = (part.partition("=") for part in description.split(";"))
        uid = next((value.strip() for key, _, value in pairs if key.strip() == "uid"), "")
        return SimulatedDevice(self, uid, object_id)

    def device(self, uid: str) -> SimulatedDevice:
        """A device that is plugged in."""
        object_id = int(self.library.sim_find_device(uid.encode()))
        if object_id == 0:
            raise DeviceNotFoundError(f"the simulated CoreAudio has no device with uid {uid!r}")
        return SimulatedDevice(self, uid, object_id)

    def set_default(self, direction: Literal["input", "output"], device: SimulatedDevice) -> None:
        """Makes it the system's default."""
        code = selector("dIn " if direction == "input" else "dOut")
        self.check(self.library.sim_set_default(code, device.id))

    def restart_service(self) -> None:
        """Restarts coreaudiod: IO ceases without notice, devices are others with the same uids.

        The notification of it comes a little later, and behind it no listener hears anything that
        is not registered anew.
        """
        self.library.sim_restart_service()

    def fail_call(self, function: str, status: int, skip: int = 0, times: int = 2**32 - 1) -> None:
        """A call of CoreAudio's fails with `status`, after `skip` calls, for `times` calls."""
        self.check(self.library.sim_fail_call(function.encode(), status, skip, times))

    def release_hung(self) -> None:
        """Ends every hang."""
        self.library.sim_release_hung()

    # ---- time ----

    def advance_ns(self, ns: int) -> None:
        """Steps virtual time; all that falls due on the way is done when it returns."""
        self.check(self.library.sim_advance_ns(ns))

    def advance(self, seconds: float) -> None:
        """The same in seconds."""
        self.advance_ns(round(seconds * 1e9))

    def now_ns(self) -> int:
        """Simulated time, ns; in a callback the time that it has reached."""
        return int(self.library.sim_now_ns())

    def spend_ns(self, ns: int) -> None:
        """In a callback: it took that long."""
        self.library.sim_spend_ns(ns)

    # ---- what happened ----

    def counter(self, name: str) -> int:
        """One of the simulator's counters."""
        return int(self.library.sim_counter(name.encode()))

    def counters(self) -> dict[str, int]:
        """All of them."""
        names: list[str] = []
        while (name := self.library.sim_counter_name(len(names))) is not None:
            names.append(name.decode())
        return {name: self.counter(name) for name in names}

    def report(self) -> str:
        """A line for each mistake of the client's, deadlock and leak."""
        size = self.library.sim_report(None, 0) + 1
        text = ctypes.create_string_buffer(size)
        self.library.sim_report(text, size)
        return text.value.decode("utf-8", "replace")

    def check_clean(self) -> None:
        """Fails when something is left behind or was done wrong, and says what."""
        if self.library.sim_check_clean() != 0:
            raise AssertionError(
                f"CoreAudio (seed {self.seed}) was not left clean:\n{self.report()}"
            )

    # ---- life ----

    def close(self) -> None:
        """Ends it. The second time does nothing."""
        if self._open:
            self._end()

    def _end(self) -> None:
        self._open = False
        self.library.sim_stop_clock()
        self.library.sim_reset()
        _used.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.library.sim_stop_clock()
                self.check_clean()
            else:
                error.add_note(f"simulated CoreAudio, seed {self.seed}:\n{self.report()}")
        finally:
            self.close()
