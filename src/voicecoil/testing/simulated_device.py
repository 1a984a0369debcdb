"""One device of a simulated CoreAudio: its faults, its input and its recorded output."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from voicecoil.arguments import check_between, check_count, shown
from voicecoil.drivers.coreaudio.hal import OUTPUT
from voicecoil.errors import ArgumentError, StreamStateError
from voicecoil.testing.simulator_arguments import as_code, check_int
from voicecoil.testing.simulator_library import Run
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.testing.simulated_coreaudio import SimulatedCoreAudio

from voicecoil.sealed import Unique

__all__ = ["DecodedInput", "SimulatedDevice", "decode_input"]

Input = Literal["encoded", "silence", "loopback", "sine"]
_INPUTS = {"encoded": 0, "silence": 1, "loopback": 2, "sine": 3}
FOREVER = 2**64 - 1


@dataclass(frozen=True)
class DecodedInput:
    """The content of encoded input samples. Each array has the shape of the samples.

    Attributes
    ----------
    valid : ndarray of bool
        True for an encoded sample. The other arrays have no meaning if it is False.
    serial, stream, channel : ndarray of int
        Number of the device, of its input stream, and of the channel in that stream.
    sample_time : ndarray of int
        Sample time in frames, modulo 262144.
    """

    valid: NDArray[np.bool_]
    serial: NDArray[np.int64]
    stream: NDArray[np.int64]
    channel: NDArray[np.int64]
    sample_time: NDArray[np.int64]


def decode_input(samples: NDArray[np.float32]) -> DecodedInput:
    """Decode the encoded input of simulated devices, see the simulator's README.

    Parameters
    ----------
    samples : ndarray of float32
        Samples that a stream has recorded from a simulated device.

    Returns
    -------
    DecodedInput
        The content of each sample.
    """
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


class SimulatedDevice(Unique):
    """One device of a `SimulatedCoreAudio`, returned by its `device` and `add_device`.

    Attributes
    ----------
    uid : str
        The unique identifier.
    id : int
        The AudioObjectID, which changes when the device is plugged in again.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "uid",
        "id",
    )

    def __init__(self, world: SimulatedCoreAudio, uid: str, object_id: int) -> None:
        self._world = world
        self._library = world.library
        self.uid = uid
        self.id = object_id
        self._layout: list[int] | None = None

    def output_streams(self) -> list[int]:
        """Return the channels of each output stream, also after the device was removed.

        Returns
        -------
        list of int
            Number of channels of each stream.
        """
        if self._layout is None:
            hal = self._world.driver.hal
            self._layout = self._world.driver.call("", lambda: hal.buffers(self.id, OUTPUT), 10.0)
        return self._layout

    # ---- control of the device ----

    def remove(self) -> None:
        """Unplug the device."""
        self.output_streams()
        self._world.check(self._library.sim_remove_device(self.id))

    def replug(self) -> None:
        """Plug the device in again, with the same uid and a new ID."""
        self.id = int(self._library.sim_replug_device(self.id))
        self._world.check(0 if self.id else -1)

    def change_rate(self, samplerate: float) -> None:
        """Let another process set the device's rate.

        Parameters
        ----------
        samplerate : float
            The new rate, Hz.

        Raises
        ------
        ArgumentError
            The device does not have this rate, or is unplugged.
        """
        hz = check_between(samplerate, "samplerate", 1.0, 1e7, "a rate in Hz, such as 48000")
        if self._library.sim_change_rate(self.id, hz) != 0:
            raise ArgumentError(
                f"{self.uid!r} cannot run at {hz:g} Hz now; give one of the `rates` in the "
                "description of the device, and plug it in"
            )

    def set_input(self, kind: Input) -> None:
        """Set the device's input.

        Parameters
        ----------
        kind : {"encoded", "silence", "loopback", "sine"}
            The content of the device's input; "loopback" is the device's own output.

        Raises
        ------
        ArgumentError
            There is no such content.
        """
        if kind not in _INPUTS:
            raise ArgumentError(f"kind={shown(kind)}; possible are {', '.join(_INPUTS)}")
        self._world.check(self._library.sim_set_input(self.id, _INPUTS[kind]))

    def overload(self, cycles: int = 1) -> None:
        """Let the next IO cycle overload.

        Parameters
        ----------
        cycles : int
            Number of IO cycles that are lost. 0 reports an overload and loses nothing.
        """
        cycles = check_int(cycles, "cycles", 0, 2**31 - 1)
        self._world.check(self._library.sim_inject_overload(self.id, cycles))

    def hang(self, duration_ns: int = FOREVER, what: str = "") -> None:
        """Let AudioDeviceStart, or each read of one property, block.

        Parameters
        ----------
        duration_ns : int
            Duration of each call, ns. The default lasts until `SimulatedCoreAudio.release_hung`.
        what : str
            The property's selector, four characters. Empty: AudioDeviceStart hangs.
        """
        code = as_code(what, "what") if what else 0
        duration_ns = check_int(duration_ns, "duration_ns", 0, FOREVER)
        self._world.check(self._library.sim_hang(self.id, code, duration_ns))

    def hog(self, pid: int) -> None:
        """Let another process take the device exclusively.

        Parameters
        ----------
        pid : int
            The process; -1 releases the device.
        """
        pid = check_int(pid, "pid", -1, 2**31 - 1)
        self._world.check(self._library.sim_hog(self.id, pid))

    def notify(self, what: str, scope: str = "glob") -> None:
        """Notify listeners of a change of a property that has not changed.

        Parameters
        ----------
        what : str
            The property's selector, four characters.
        scope : str
            The property's scope: "glob", "inpt" or "outp".
        """
        code, where = as_code(what, "what"), as_code(scope, "scope")
        self._world.check(self._library.sim_notify(self.id, code, where, 0))

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
        """Make each later read of a property return `status` or `value`.

        Parameters
        ----------
        what : str
            The property's selector, four characters.
        value : bytes or None
            The value that is returned; None: no bytes.
        status : int
            OSStatus that is returned.
        said_size : int
            Size that the property reports; -1 reports the true size.
        scope : str
            "glob", "inpt", "outp", or four asterisks for all three.
        object_id : int or None
            ID of an object other than the device, such as one of its streams.
        """
        value = value or b""
        size = len(value) if said_size < 0 else said_size
        scopes = ("glob", "inpt", "outp") if scope == "****" else (scope,)
        for one in scopes:
            self._world.check(
                self._library.sim_override_property(
                    self.id if object_id is None else object_id,
                    as_code(what, "what"),
                    as_code(one, "scope"),
                    0,
                    status,
                    size,
                    value,
                    len(value),
                )
            )

    # ---- recorded output ----

    @property
    def serial(self) -> int:
        """The device's number in `DecodedInput.serial`."""
        return int(self._library.sim_device_serial(self.id))

    def runs(self) -> list[Run]:
        """Return the device's runs, oldest first.

        A restart of the device and a change of its rate each begin a new run.

        Returns
        -------
        list of Run
            The rate, the frames and the IO cycles of each run.
        """
        found = []
        for index in range(self._library.sim_run_count(self.id)):
            run = Run()
            self._world.check(self._library.sim_run_info(self.id, index, ctypes.byref(run)))
            found.append(run)
        return found

    def _index(self, run: Any, count: int) -> int:
        """Return the index of a run, from 0."""
        if not count:
            raise StreamStateError(f"{self.uid!r} never ran")
        possible = f"-{count} to {count - 1}, as the device has run {plural(count, 'time')}"
        return range(count)[check_count(run, "run", possible, -count, count - 1)]

    def captured(self, run: int = -1) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the output of one run.

        Parameters
        ----------
        run : int
            Index of the run, as for a list.

        Returns
        -------
        ndarray of float32, shape (frames, channels)
            The samples that were sent to the device.
        ndarray of bool, shape (frames,)
            True for each frame that came in time.

        Raises
        ------
        StreamStateError
            The device has never run.
        ArgumentError, ArgumentTypeError
            There is no such run.
        """
        import numpy as np

        runs = self.runs()
        index = self._index(run, len(runs))
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
        """Return the output of one run, or of all runs, without silence at its start and its end.

        Frames that no IO cycle delivered in time are silence.

        Parameters
        ----------
        run : int or None
            Index of the run, as for a list. None: all runs, one after the other.

        Returns
        -------
        ndarray of float32, shape (frames, channels)
            The output from the first to the last frame that is not silent.
        """
        import numpy as np

        numbers = range(len(self.runs())) if run is None else [run]
        parts = [self.captured(number)[0] for number in numbers]
        if not parts:
            return np.zeros((0, 0), np.float32)
        sound = np.concatenate(parts)
        loud = np.flatnonzero(sound.any(axis=1))
        return sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:0]

    def _may_run(self) -> bool:
        plugged_in = self._library.sim_find_device(self.uid.encode()) == self.id
        return plugged_in and self._world.counter("live_running_io_procs") > 0

    def run_cycles(self, cycles: int, frames: int = 0) -> None:
        """Advance time until the device has run `cycles` more IO cycles.

        If the device does not run, time advances by about the same duration.

        Parameters
        ----------
        cycles : int
            Number of IO cycles.
        frames : int
            Frames per cycle, from which the steps of time are computed. 0: the present number.

        Raises
        ------
        StreamStateError
            The device runs, but its IO cycles do not come.
        """
        cycles = check_count(cycles, "cycles", "a number of IO cycles")
        frames = check_count(frames, "frames", "frames per cycle") or self.buffer_frames
        runs = self.runs()
        rate = runs[-1].rate_hz if runs else 48_000.0
        step = int(frames / rate * 1e9 / 4)
        target = sum(run.cycles for run in runs) + cycles
        for done in range(20_000 + 8 * cycles):
            if sum(run.cycles for run in self.runs()) >= target:
                return
            # A device that is changing its rate starts again after a short time.
            if done >= 4 * cycles + 8 and not self._may_run():
                return
            self._world.advance_ns(step)
        raise StreamStateError(f"{self.uid!r} runs, but {cycles} IO cycles did not come")

    @property
    def buffer_frames(self) -> int:
        """Frames per IO cycle that this process has set."""
        hal = self._world.driver.hal
        return int(self._world.driver.call("", lambda: hal.u32(self.id, "fsiz"), 10.0))

    def emission_ns(self, sample_time: float, run: int = -1, stream: int = 0) -> int:
        """Return the time at which a frame of output left the hardware, on its true clock.

        Parameters
        ----------
        sample_time : float
            Sample time of the frame.
        run : int
            Index of the run, as for a list.
        stream : int
            Index of the output stream.

        Returns
        -------
        int
            Host time, ns.
        """
        index = self._index(run, len(self.runs()))
        return int(self._library.sim_emission_ns(self.id, index, stream, sample_time))
