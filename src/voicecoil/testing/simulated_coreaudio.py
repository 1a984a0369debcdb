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
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from voicecoil.drivers.coreaudio._hal import NO_CONTENT, IOProc
from voicecoil.drivers.coreaudio.connection import disconnect
from voicecoil.drivers.coreaudio.driver import CoreAudioDriver
from voicecoil.drivers.coreaudio.hal import selector
from voicecoil.drivers.coreaudio.opening import Timeouts
from voicecoil.errors import ArgumentError, DeviceNotFoundError, StreamStateError
from voicecoil.testing.simulated_device import SimulatedDevice
from voicecoil.testing.simulator_library import Run, find_simulator, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from voicecoil.sealed import Unique

__all__ = ["ListeningDriver", "SimulatedCoreAudio"]

Clock = Literal["stepped", "running", "real"]
_used = threading.Lock()  # a process has one CoreAudio


class ListeningDriver(CoreAudioDriver):
    """CoreAudio's driver, that remembers which part of what a device played streams made."""

    _attributes: ClassVar[tuple[str, ...]] = ("world",)

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


class SimulatedCoreAudio(Unique):
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

    _attributes: ClassVar[tuple[str, ...]] = (
        "path",
        "library",
        "seed",
        "driver",
    )

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
            self._close_outputs()
            self._end()

    def _close_outputs(self) -> None:
        """Closes what `play` keeps open for a moment after a sound: it would count as left open."""
        from voicecoil.sounds.mixing import close_outputs

        close_outputs(self.driver)

    def _end(self) -> None:
        self._open = False
        self.library.sim_stop_clock()
        self.library.sim_reset()
        disconnect((str(self.path),))
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
                self._close_outputs()
                self.library.sim_stop_clock()
                self.check_clean()
            else:
                error.add_note(f"simulated CoreAudio, seed {self.seed}:\n{self.report()}")
        finally:
            self.close()
