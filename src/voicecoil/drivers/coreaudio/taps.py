"""Process taps: the sound of other programs, in a private aggregate device.

A tap is heard only through an aggregate that was created with it. The aggregate has the devices of
the stream and the tap, on one clock. Without devices it has the tap alone, which is the most robust
one on a Mac. Both are destroyed in the reverse order, after the IOProc. All functions run on the
call thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from voicecoil.drivers.coreaudio import devices
from voicecoil.drivers.coreaudio.driver_paths import FRAMEWORKS
from voicecoil.drivers.coreaudio.hal import INPUT, OUTPUT, SYSTEM, Hal
from voicecoil.drivers.coreaudio.objective_c import LIBRARIES, ObjectiveC
from voicecoil.drivers.coreaudio.status import status_error
from voicecoil.drivers.coreaudio.timeouts import wait_until
from voicecoil.drivers.protocol import OpenRequest
from voicecoil.drivers.system_audio import SystemAudio, SystemAudioDevice
from voicecoil.errors import DriverError, SystemAudioError

__all__ = ["TapSession", "check", "playing"]

PUBLISHED_S = 5.0  # an aggregate can be used that long after its creation at the latest
UID = devices.OWN_UID + "system-audio."
_MUTE = {"never": 0, "always": 1, "while recording": 2}
_CREATE, _DESTROY = "AudioHardwareCreateProcessTap", "AudioHardwareDestroyProcessTap"


def runtime(paths: Sequence[str]) -> ObjectiveC:
    """The runtime that belongs to a CoreAudio."""
    return ObjectiveC([*paths, *LIBRARIES] if tuple(paths) == FRAMEWORKS else paths)


def check(hal: Hal) -> None:
    """Raises `SystemAudioError` if this macOS has no taps."""
    if not (hal.library.has_symbol(_CREATE) and hal.has(SYSTEM, "tps#")):
        raise SystemAudioError(
            "the recording of system audio needs macOS 14.2 or later, and this is an older one; "
            "a loopback driver, such as BlackHole, is an input device that has the sound of the "
            "programs that play to it"
        )


def _processes(hal: Hal) -> list[tuple[int, int, str]]:
    """The object, number and bundle ID of each process that uses CoreAudio."""
    found = []
    for one in hal.ids(SYSTEM, "prs#"):
        with contextlib.suppress(DriverError):  # it has ended meanwhile
            found.append((one, hal.u32(one, "ppid"), hal.string_or(one, "pbid", "")))
    return found


def _belongs(bundle: str, wanted: Sequence[str]) -> bool:
    """Whether a process is a program, or one of its helpers."""
    own = bundle.casefold() + "."
    return any(own.startswith(one.casefold() + ".") for one in wanted)


def _listed(hal: Hal, request: SystemAudio) -> list[tuple[int, str]]:
    """The processes that are recorded, or, if all are, those that are left out."""
    leaves_self_out = request.application is None and not request.include_self
    return [
        (one, bundle)
        for one, pid, bundle in _processes(hal)
        if _belongs(bundle, request.bundles) or (leaves_self_out and pid == os.getpid())
    ]


def playing(hal: Hal, request: SystemAudio) -> list[str]:
    """The bundle IDs of the recorded processes that play now."""
    listed = {one for one, _ in _listed(hal, request)}
    found = []
    for one, _, bundle in _processes(hal):
        if (one in listed) == (request.application is not None):
            with contextlib.suppress(DriverError):
                if hal.u32(one, "piro"):
                    found.append(bundle)
    return found


class TapSession:
    """A tap and the aggregate that has it, for one stream.

    Parameters
    ----------
    hal : Hal
    paths : sequence of str
        The libraries of the HAL.
    device : SystemAudioDevice
    """

    def __init__(self, hal: Hal, paths: Sequence[str], device: SystemAudioDevice) -> None:
        self._hal = hal
        self._objc = runtime(paths)
        self._request = device.request
        self._device = device
        self._beside = [one for one in (device.input, device.output) if one is not None]
        if len(self._beside) == 2 and self._beside[0].uid == self._beside[1].uid:
            self._beside.pop()
        self._tap = self._aggregate = 0
        self._processes: list[int] = []
        try:
            with self._objc.pool():
                self._make_tap()
                self._make_aggregate()
            self._await()
        except BaseException:
            self.end()
            raise

    @property
    def device_id(self) -> int:
        """The object of the aggregate."""
        return self._aggregate

    # ---- creation ----

    def _make_tap(self) -> None:
        objc, request = self._objc, self._request
        listed = _listed(self._hal, request)
        self._processes = [one for one, _ in listed]
        kind = "Mono" if request.mono else "Stereo"
        every = "GlobalTapButExcludeProcesses:"
        rest = every if request.application is None else "MixdownOfProcesses:"
        cls = objc.class_named("CATapDescription")
        ids = objc.array([objc.number(one) for one in self._processes])
        made = objc.send(objc.send(cls, "alloc"), f"init{kind}{rest}", ids)
        try:
            objc.send(made, "setName:", objc.string(request.name))
            objc.send(made, "setPrivate:", True)
            objc.send(made, "setMuteBehavior:", _MUTE[request.mute])
            if request.bundles and objc.responds(made, "setBundleIDs:"):  # macOS 26
                names = dict.fromkeys([*request.bundles, *(name for _, name in listed if name)])
                objc.send(made, "setBundleIDs:", objc.array([objc.string(one) for one in names]))
                objc.send(made, "setProcessRestoreEnabled:", True)
            self._tap = self._created(_CREATE, made, request.name)
        finally:
            objc.release(made)

    def _created(self, call: str, description: int, what: str) -> int:
        identity = ctypes.c_uint32()
        types = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32))
        function = self._objc.function(call, ctypes.c_int32, *types)
        status = function(description, ctypes.byref(identity))
        if status != 0:
            raise status_error(call, status, what)
        return identity.value

    def _make_aggregate(self) -> None:
        objc = self._objc
        one, zero = objc.number(1), objc.number(0)
        clock = self._device.clock
        parts = [
            objc.dictionary(
                {
                    "uid": objc.string(part.uid),
                    "drift": zero if clock is not None and part.uid == clock.uid else one,
                }
            )
            for part in self._beside
        ]
        uid = objc.string(self._hal.string(self._tap, "tuid"))
        values = {
            "uid": objc.string(UID + str(uuid.uuid4())),
            "name": objc.string(self._device.name),
            "private": one,
            "stacked": zero,
            "subdevices": objc.array(parts),
            "taps": objc.array([objc.dictionary({"uid": uid, "drift": one})]),
            # With 1, AudioDeviceStart would not return before somebody plays.
            "tapautostart": zero,
        }
        if clock is not None:
            values["master"] = objc.string(clock.uid)
        self._aggregate = self._created(
            "AudioHardwareCreateAggregateDevice", objc.dictionary(values), self._device.name
        )
        self._hal.call_it(self._aggregate, repr(self._device.name))

    def _await(self) -> None:
        """Waits until the aggregate has all of its streams and the tap has its format."""
        hal, aggregate = self._hal, self._aggregate
        inputs = sum(one.input_channels for one in self._beside) + self._request.channels
        outputs = sum(one.output_channels for one in self._beside)

        def ready() -> bool:
            with contextlib.suppress(DriverError):
                hal.format(self._tap, "tfmt")
                return (
                    sum(hal.buffers(aggregate, INPUT)) == inputs
                    and sum(hal.buffers(aggregate, OUTPUT)) == outputs
                    and hal.f64(aggregate, "nsrt") > 0
                )
            return False

        if not wait_until(hal, ready, PUBLISHED_S):
            raise DriverError(
                f"the device {self._device.name!r}, which records the sound of programs, did not "
                f"appear within {PUBLISHED_S:g} s; try again, and without with_input and "
                "with_output if it happens again",
                call="AudioHardwareCreateAggregateDevice",
            )

    # ---- use ----

    def mapped(self, request: OpenRequest) -> OpenRequest:
        """The request with the channels of the aggregate.

        The aggregate has the inputs of all its devices, and then those of the tap, and the outputs
        of all its devices.
        """
        device = self._device
        first = device.input.input_channels if device.input is not None else 0
        after = sum(one.input_channels for one in self._beside)
        # The output channels of the input device come before those of the output.
        skip = self._beside[0].output_channels if len(self._beside) == 2 else 0
        return replace(
            request,
            input_map=[c if c < first else after + c - first for c in request.input_map],
            output_map=[skip + c for c in request.output_map],
        )

    def update(self) -> None:
        """Takes the processes that have begun or ended into account."""
        listed = [one for one, _ in _listed(self._hal, self._request)]
        if listed == self._processes or not self._tap:
            return
        description = int.from_bytes(self._hal.scalar(self._tap, "tdsc", 8), "little")
        objc = self._objc
        try:
            with objc.pool():
                ids = objc.array([objc.number(one) for one in listed])
                objc.send(description, "setProcesses:", ids)
                self._hal.set_bytes(self._tap, "tdsc", description.to_bytes(8, "little"))
        finally:
            objc.release(description)
        self._processes = listed

    def end(self) -> None:
        """Destroys the aggregate and then the tap. What has gone already is no error."""
        for call, attribute in (
            ("AudioHardwareDestroyAggregateDevice", "_aggregate"),
            (_DESTROY, "_tap"),
        ):
            one = getattr(self, attribute)
            setattr(self, attribute, 0)
            if one:
                self._objc.function(call, ctypes.c_int32, ctypes.c_uint32)(one)
                if attribute == "_aggregate":  # destruction is asynchronous
                    wait_until(self._hal, partial(self._has_gone, one), PUBLISHED_S)

    def _has_gone(self, one: int) -> bool:
        return not self._hal.has(one, "clas")
