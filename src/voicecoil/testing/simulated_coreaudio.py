"""A simulated CoreAudio for tests.

    with SimulatedCoreAudio(fixtures=[3]) as simulated:
        with voicecoil.OutputStream(callback, driver=simulated.driver):
            simulated.advance(2.0)                # two seconds of IO cycles, done when it returns
        heard = simulated.device("USBDuplex:1").heard()

Time is virtual and advances only in `advance` and in calls that wait for the device. Therefore a
test is faster than real time, and its result is always the same. At the end of the ``with`` block,
an error is raised if an IOProc, a listener or a CoreFoundation object was not released.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from voicecoil.arguments import check_between, check_list, check_seconds, shown
from voicecoil.drivers.coreaudio.hal import selector
from voicecoil.drivers.coreaudio.session import disconnect
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceNotFoundError,
    StreamStateError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.sealed import Unique
from voicecoil.testing.listening_driver import ListeningDriver
from voicecoil.testing.simulated_device import SimulatedDevice
from voicecoil.testing.simulator_arguments import (
    as_text,
    as_timebase,
    check_int,
    check_switches,
    check_timeouts,
)
from voicecoil.testing.simulator_library import find_simulator, load

__all__ = ["ListeningDriver", "SimulatedCoreAudio"]

CLOSING_S = 5.0  # time to close the streams that the program has dropped
LEFT_S = 1.0  # time to close each stream that the program has not dropped
Clock = Literal["stepped", "running", "real"]
NO_SWITCH = -(2**63)
_used = threading.Lock()  # held by the only simulated CoreAudio of the process


class SimulatedCoreAudio(Unique):
    """A simulated CoreAudio. A process can have only one at a time.

    Parameters
    ----------
    library : path, optional
        Path of ``libcoreaudio_simulated.so``. The default is the environment variable
        ``VOICECOIL_COREAUDIO_SIMULATOR``.
    seed : int
        Sets all switches for behaviour of the real CoreAudio that is unknown or varies. 0 uses
        their defaults. The same seed always gives the same behaviour.
    fixtures : iterable of int
        Numbers of predefined devices, see the simulator's README.
    devices : iterable of str
        Descriptions of further devices: ``"uid=mine; in=2; out=2,2,8; rates=44100,48000"``.
    switches : mapping of str to int
        Switches that override those of the seed, see the simulator's README.
    clock : {"stepped", "running", "real"}
        "stepped" is virtual time that advances in `advance` and in calls that wait for the device.
        "running" is virtual time that advances by itself. "real" is real time.
    speed : float
        Speed of a "running" clock, as a multiple of real time.
    timebase : (int, int)
        Fraction of ns per tick of host time. (125, 3) is Apple silicon and (1, 1) is Intel.
    timeouts : Timeouts, optional
        Timeouts of the driver.
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
        self.seed = check_int(seed, "seed", 0, 2**64 - 1)
        self._reported = 0  # lines of the report when a control function failed last
        fixtures = check_list(fixtures, "fixtures", "numbers, such as fixtures=[3]")
        devices = check_list(devices, "devices", 'texts, such as devices=["uid=mine; out=2"]')
        numerator, denominator = as_timebase(timebase)
        switches = check_switches(switches)
        speed = check_between(speed, "speed", 1e-6, 1e6, "a number from 1e-6 to 1e6")
        if clock not in ("stepped", "running", "real"):
            raise ArgumentError(
                f'clock={shown(clock)}; possible are "stepped", "running" and "real"'
            )
        if not _used.acquire(blocking=False):
            raise StreamStateError(
                "a process can have only one simulated CoreAudio; close the other one first"
            )
        self._open = True
        self._clock: Clock = clock
        try:
            self.library.sim_configure(self.seed)
            if clock == "real":
                self.library.sim_use_real_time()
            else:
                self.library.sim_use_virtual_time()
                self.set("auto_advance", int(clock == "stepped"))
            self.check(self.library.sim_set_timebase(numerator, denominator))
            for name, value in switches.items():
                self.set(name, value)
            for number in fixtures:
                self.load_fixture(number)
            for description in devices:
                self.add_device(description)
            self.driver = self._make_driver(check_timeouts(timeouts))
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

    # ---- switches, devi

    def check(self, result: int) -> None:
        """Raise an error with the simulator's message if a control function returned -1.

        Parameters
        ----------
        result : int
            The value that the control function returned.

        Raises
        ------
        ArgumentError
            `result` is -1.
        StreamStateError
            `result` is -1, because the simulation was closed.
        """
        if result != 0:
            if not self._open:
                raise StreamStateError("this simulated CoreAudio is closed; make another one")
            raise ArgumentError(f"the simulator refused: {self._reason()}")

    def _reason(self) -> str:
        """Return what the newest lines of the report say about a control function that failed."""
        lines = self.report().splitlines()
        new, self._reported = lines[self._reported :], len(lines)
        own = [line for line in new if line.startswith("sim_")]
        return own[-1] if own else "it gave no reason"

    def set(self, switch: str, value: int) -> None:
        """Set one switch.

        Parameters
        ----------
        switch : str
            The name of the switch, see the simulator's README.
        value : int
            The new value.
        """
        number = check_int(value, f"the value of {shown(switch)}", -(2**63), 2**63 - 1)
        self.check(self.library.sim_set(as_text(switch, "switch", "auto_advance"), number))

    def get(self, switch: str) -> int:
        """Return the value of one switch.

        Parameters
        ----------
        switch : str
            The name of the switch, see the simulator's README.

        Returns
        -------
        int
            The value of the switch.

        Raises
        ------
        ArgumentError
            There is no such switch.
        """
        value = int(self.library.sim_get(as_text(switch, "switch", "auto_advance")))
        if value == NO_SWITCH:
            raise ArgumentError(
                f"switch={shown(switch)}; give the name of a switch in the simulator's README"
            )
        return value

    def load_fixture(self, number: int) -> None:
        """Plug in the devices of a fixture, see the simulator's README.

        Parameters
        ----------
        number : int
            The number of the fixture.
        """
        self.check(self.library.sim_load_fixture(check_int(number, "number", 0, 999)))

    def add_device(self, description: str) -> SimulatedDevice:
        """Plug in a device with a description as in `devices`.

        Parameters
        ----------
        description : str
            The device as in ``"uid=mine; in=2; out=2,2,8; rates=44100,48000"``.

        Returns
        -------
        SimulatedDevice
            The new device.

        Raises
        ------
        ArgumentError
            The description has an error.
        """
        text = as_text(description, "description", "uid=mine; in=2; out=2")
        object_id = int(self.library.sim_add_device(text))
        if object_id == 0:
            raise ArgumentError(f"{description!r}: {self._reason()}")
        pairs = (part.partition("=") for part in description.split(";"))
        uid = next((value.strip() for key, _, value in pairs if key.strip() == "uid"), "")
        return SimulatedDevice(self, uid, object_id)

    def device(self, uid: str) -> SimulatedDevice:
        """Return the device with this uid. It must be plugged in.

        Parameters
        ----------
        uid : str
            The unique identifier of the device.

        Returns
        -------
        SimulatedDevice
            The device.

        Raises
        ------
        DeviceNotFoundError
            No such device is plugged in.
        """
        object_id = int(self.library.sim_find_device(as_text(uid, "uid", "USBDuplex:1")))
        if object_id == 0:
            raise DeviceNotFoundError(f"the simulated CoreAudio has no device with uid {uid!r}")
        return SimulatedDevice(self, uid, object_id)

    def set_default(self, direction: Literal["input", "output"], device: SimulatedDevice) -> None:
        """Make a device the system's default.

        Parameters
        ----------
        direction : {"input", "output"}
            The direction for which it becomes the default.
        device : SimulatedDevice
            The device.
        """
        if direction not in ("input", "output"):
            raise ArgumentError(f'direction={shown(direction)}; give "input" or "output"')
        if not isinstance(device, SimulatedDevice):
            raise ArgumentTypeError(
                f"device={shown(device)}; give a SimulatedDevice, such as simulated.device(uid)"
            )
        code = selector("dIn " if direction == "input" else "dOut")
        self.check(self.library.sim_set_default(code, device.id))

    def restart_service(self) -> None:
        """Restart coreaudiod. IO stops without notice, and devices get new IDs with the same uids.

        The notification of the restart comes a little later. After it, a listener is only called if
        it has been registered again.
        """
        self.library.sim_restart_service()

    def fail_call(self, function: str, status: int, skip: int = 0, times: int = 2**32 - 1) -> None:
        """Make a CoreAudio function fail with `status`, after `skip` calls and for `times` calls.

        Parameters
        ----------
        function : str
            The name of the function, such as ``"AudioDeviceStart"``.
        status : int
            The OSStatus that the function returns.
        skip : int
            Number of calls that succeed first.
        times : int
            Number of calls that fail. 0: the function works again.
        """
        name = as_text(function, "function", "AudioDeviceStart")
        status = check_int(status, "status", -(2**31), 2**31 - 1)
        skip = check_int(skip, "skip", 0, 2**32 - 1)
        times = check_int(times, "times", 0, 2**32 - 1)
        self.check(self.library.sim_fail_call(name, status, skip, times))

    def release_hung(self) -> None:
        """End all hangs."""
        self.library.sim_release_hung()

    # ---- time ----

    def advance_ns(self, ns: int) -> None:
        """Advance virtual time. All events up to the new time have happened when this returns.

        Parameters
        ----------
        ns : int
            Duration, ns.
        """
        self.check(self.library.sim_advance_ns(check_int(ns, "ns", 0, 10**18)))

    def advance(self, seconds: float) -> None:
        """Advance virtual time by a number of seconds, see `advance_ns`.

        Parameters
        ----------
        seconds : float
            Duration, s.
        """
        self.advance_ns(round(check_seconds(seconds, "seconds") * 1e9))

    def now_ns(self) -> int:
        """Return the simulated time, ns. In a callback, this is the time that it has reached.

        Returns
        -------
        int
            Nanoseconds.
        """
        return int(self.library.sim_now_ns())

    def spend_ns(self, ns: int) -> None:
        """Let the callback that calls this take `ns` of simulated time.

        Parameters
        ----------
        ns : int
            Duration, ns.
        """
        self.library.sim_spend_ns(check_int(ns, "ns", 0, 10**18))

    # ---- counters and reports ----

    def counter(self, name: str) -> int:
        """Return one of the simulator's counters.

        Parameters
        ----------
        name : str
            The name of the counter, see the simulator's README.

        Returns
        -------
        int
            The count since the simulation began.
        """
        return int(self.library.sim_counter(as_text(name, "name", "live_listeners")))

    def counters(self) -> dict[str, int]:
        """Return all counters of the simulator.

        Returns
        -------
        dict of str to int
            The count of each counter, by its name.
        """
        names: list[str] = []
        while (name := self.library.sim_counter_name(len(names))) is not None:
            names.append(name.decode())
        return {name: self.counter(name) for name in names}

    def report(self) -> str:
        """Return one line for each misuse of CoreAudio, each deadlock and each leak.

        Returns
        -------
        str
            Empty if there were none.
        """
        size = self.library.sim_report(None, 0) + 1
        text = ctypes.create_string_buffer(size)
        self.library.sim_report(text, size)
        return text.value.decode("utf-8", "replace")

    def check_clean(self) -> None:
        """Raise an error that lists all leaks and misuses of CoreAudio, if there are any."""
        if self.library.sim_check_clean() != 0:
            raise AssertionError(
                f"CoreAudio (seed {self.seed}) was not left clean:\n{self.report()}"
            )

    # ---- end -----

    def close(self) -> None:
        """End the simulation. A second call has no effect."""
        if self._open:
            self._close_outputs()
            self._end()

    def _close_outputs(self) -> None:
        """Close the devices that `play` keeps open after a sound, as they would count as leaks."""
        from voicecoil.sounds.mixing import close_outputs

        close_outputs(self.driver)

    def _close_streams(self) -> None:
        """Close the streams that are left, such as those in the traceback of a failed test.

        A stream that is garbage collected later would call the next simulation.
        """
        from voicecoil.streams.lifecycle import StreamConnection

        self.library.sim_release_hung()
        if self._clock != "real":
            self.set("auto_advance", 1)  # a device stops at the end of an IO cycle
        for one in exit_and_fork.registered():
            if isinstance(one, StreamConnection) and one.device.driver is self.driver:
                one.close_unseen(LEFT_S)

    def _end(self) -> None:
        self.library.sim_stop_clock()
        if hasattr(self, "driver"):  # the constructor may have failed
            self._close_streams()
        self._open = False
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
                exit_and_fork.wait_for_tasks(CLOSING_S)
                self.library.sim_stop_clock()
                self.check_clean()
            else:
                error.add_note(f"simulated CoreAudio, seed {self.seed}:\n{self.report()}")
        finally:
            self.close()
