"""Voice activity: whether somebody speaks into a device, as CoreAudio's own detector hears it."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.hal import INPUT
from voicecoil.errors import (
    ArgumentTypeError,
    PropertyMissingError,
    StreamTimeoutError,
    VoicecoilError,
)
from voicecoil.hal.connection import or_by_uid
from voicecoil.hal.device import Device
from voicecoil.hal.watching import Change, Watch, begin_watch
from voicecoil.lifetime import exit_and_fork

__all__ = ["VoiceActivity", "voice_activity"]

ENABLE, STATE = "vAd+", "vAdS"


@dataclass
class _Use:
    """The detector of a device, for all its users in this process."""

    users: int = 0
    was_on: bool = False  # before the first user


# Held while the detector is switched, so that one thread's end of a use cannot follow another
# thread's begin. Each switch has a deadline. A signal handler may interrupt one, and begin another.
_lock = threading.RLock()
_uses: dict[tuple[int, str], _Use] = {}


class _StateWatch(Watch):
    """A watch that switches the detector on again after a restart of coreaudiod."""

    def _again(self) -> int:
        object_id = super()._again()
        row = self._thing._row(ENABLE)
        self._connection.reader.set(object_id, row, INPUT, 0, True, repr(self._thing))
        return object_id


class VoiceActivity:
    """The voice activity on a device, returned by :func:`voice_activity`.

    It is an iterator, an asynchronous iterator and a context manager. Each item is a bool: True
    when a person has begun to speak, False when the speech has ended.
    """

    def __init__(self, device: Device) -> None:
        self._device = device.input
        self._key = id(device._connection.driver), device.uid
        self._switch_on()
        try:
            self._watch = begin_watch(
                _StateWatch(self._device, [self._device._row(STATE)], None, None, None)
            )
        except BaseException:
            _switch_off(self._device, self._key)
            raise
        # The detector is switched off as well if the program drops this object.
        self._ending = _End(self._watch, self._device, self._key)
        self._end = weakref.finalize(self, self._ending.submit)
        self._end.atexit = False  # the system switches it off when the process ends

    def _switch_on(self) -> None:
        device = self._device
        if not device.has(ENABLE):
            raise PropertyMissingError(
                f"{device!r} has no voice activity detection ('{ENABLE}'): it needs a device with "
                "an input, and macOS 14.0 or later",
                name="voice_activity_detection_enable",
                obj=device,
            )
        with _lock:
            use = _uses.setdefault(self._key, _Use())
            use.users += 1
            try:
                if use.users == 1:
                    use.was_on = bool(device.get(ENABLE))
                    device.set(ENABLE, True)
            except BaseException:
                use.users -= 1
                if not use.users:
                    _uses.pop(self._key, None)
                raise

    def __repr__(self) -> str:
        state = "ended" if self.ended else "listening"
        return f"<VoiceActivity {state} on {self._device!r}>"

    @property
    def device(self) -> Device:
        """The device."""
        return self._device

    @property
    def ended(self) -> bool:
        """Whether no more items come, because it was closed or the device has gone."""
        return self._watch.ended

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks now. It asks the device."""
        return bool(self._device.get(STATE))

    def wait(self, timeout_s: float | None = None) -> bool | None:
        """Return the next item, and wait for it.

        Parameters
        ----------
        timeout_s : float or None
            The longest wait, s; None: without end.

        Returns
        -------
        bool or None
            None: no more items come.

        Raises
        ------
        StreamTimeoutError
            There was no change in this time.
        """
        try:
            change = self._watch.wait(timeout_s)
        except StreamTimeoutError as error:
            raise StreamTimeoutError(f"{error}{self._why_nothing()}") from None
        return None if change is None else _spoken(change)

    def _why_nothing(self) -> str:
        with contextlib.suppress(VoicecoilError):
            if not self._device.get("gone"):
                return (
                    ". The device does not run, and CoreAudio detects only while it runs: keep an "
                    "input stream or a Recorder on it"
                )
        return ""

    def __iter__(self) -> Iterator[bool]:
        return self

    def __next__(self) -> bool:
        return _spoken(next(self._watch))

    def __aiter__(self) -> AsyncIterator[bool]:
        return self

    async def __anext__(self) -> bool:
        return _spoken(await anext(self._watch))

    def close(self) -> None:
        """End the iteration, and switch the detection off if it was off before."""
        if self._end.detach() is not None:
            self._ending()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _End:
    """Ends the watch and switches the detector off. It has no reference to the VoiceActivity."""

    def __init__(self, watch: Watch, device: Device, key: tuple[int, str]) -> None:
        self._watch, self._device, self._key = watch, device, key
        self._generation = exit_and_fork.generation()

    def submit(self) -> None:
        """Ends it on a thread of its own."""
        if not exit_and_fork.forked(self._generation):
            exit_and_fork.submit(self)

    def __call__(self) -> None:
        if exit_and_fork.forked(self._generation):
            return  # the parent's watch goes on
        try:
            self._watch.close()
        finally:
            _switch_off(self._device, self._key)


def _switch_off(device: Device, key: tuple[int, str]) -> None:
    """Removes one user. The last one restores the state that was found by the first one."""
    with _lock:
        use = _uses.get(key)
        if use is None:
            return
        use.users -= 1
        if use.users:
            return
        del _uses[key]
        if use.was_on:
            return
        # An error means that the device has gone, and its detector with it.
        with contextlib.suppress(VoicecoilError):
            device.set(ENABLE, False)


def _spoken(change: Change) -> bool:
    return bool(change.new)


def voice_activity(device: Device) -> VoiceActivity:
    """Detect when a person begins or ends to speak into a device, macOS 14.0 and later.

    The detector is part of CoreAudio, so no model is needed. It has an echo cancellation, so it
    ignores the sound of the speakers. It also works while the input of this process is muted
    (`System.input_muted`), but not while the device itself is muted. The device must run, so keep
    an input stream on it.

    ::

        async for speaking in hal.voice_activity(microphone):
            if speaking:
                player.clear()

    This call switches the detection on. ``close``, the end of a ``with`` block, and the end of the
    returned object restore the previous state. A change that is undone before it is read is not
    reported.

    Parameters
    ----------
    device : Device
        A device with an input.

    Returns
    -------
    VoiceActivity
        An iterator and asynchronous iterator of bool. It ends when the device has gone.

    Raises
    ------
    PropertyMissingError
        This macOS or this device has no detection.
    """
    if not isinstance(device, Device):
        raise ArgumentTypeError(
            f"voice_activity({shown(device)}): give a device of voicecoil.hal, such as "
            + or_by_uid(device, "hal.system.default_input_device")
        )
    return VoiceActivity(device)
