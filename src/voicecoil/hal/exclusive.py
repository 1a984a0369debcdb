"""Context managers for hog mode, for a physical format in hog mode, and for mutes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from voicecoil.arguments import shown
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceLostError,
    DriverError,
    PropertyMissingError,
)
from voicecoil.hal import levels
from voicecoil.hal.restored import Restored
from voicecoil.hal.setting import Temporarily
from voicecoil.hal.values import StreamFormat

if TYPE_CHECKING:
    from voicecoil.hal.device import Device, Stream
    from voicecoil.hal.values import RangedFormat

__all__ = ["ExclusiveFormat", "Hogged", "Muted"]


def _is_offered(wanted: StreamFormat, by: RangedFormat) -> bool:
    same = replace(wanted, samplerate=by.format.samplerate) == by.format
    return same and wanted.samplerate in by.rates


class Hogged(Restored):
    """A context manager of hog mode, returned by :func:`Device.hogged`."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __enter__(self) -> Device:
        owner = self._device.hog_mode
        if owner == os.getpid():
            return self._device  # an outer block has it, and releases it
        with self._changing():
            if owner != -1 or (owner := self._device.set("oink", True)) != os.getpid():
                raise DriverError(
                    f"the process {owner} uses {self._device!r} exclusively; end that program, or "
                    "turn its exclusive mode off",
                    call="AudioObjectSetPropertyData",
                )
        return self._device

    def _restore(self) -> None:
        with contextlib.suppress(DeviceLostError):  # its hog mode has gone with the device
            if self._device.hog_mode == os.getpid():
                self._device.set("oink", False)

    def __repr__(self) -> str:
        return f"<hog mode of {self._device!r} inside of a with block>"


class ExclusiveFormat:
    """A context manager of a physical format in hog mode, returned by :func:`Stream.exclusive`."""

    def __init__(self, stream: Stream, wanted: StreamFormat) -> None:
        if not isinstance(wanted, StreamFormat):
            raise ArgumentTypeError(
                f"exclusive({shown(wanted)}): give a StreamFormat, such as the `format` of one of "
                "the stream's available_physical_formats"
            )
        self._stream = stream
        self._wanted = wanted
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> StreamFormat:
        stream, wanted = self._stream, self._wanted
        device = stream._device()
        offered = stream.available_physical_formats
        if not any(_is_offered(wanted, one) for one in offered):
            at_rate = [one for one in offered if wanted.samplerate in one.rates] or offered
            raise ArgumentError(
                f"{stream!r} has no physical format {wanted}; it has "
                + "; ".join(dict.fromkeys(str(one.format) for one in at_rate))
            )
        with contextlib.ExitStack() as undo:
            undo.enter_context(Hogged(device))
            made: StreamFormat = undo.enter_context(
                Temporarily(stream, stream._row("physical_format"), wanted)
            )
            self._undo = undo.pop_all()
        return made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The format first: other processes may use the device again after the hog mode.
        self._undo.close()

    def __repr__(self) -> str:
        return f"<{self._wanted} of {self._stream!r} in hog mode inside of a with block>"


class Muted(Restored):
    """A context manager in which a device is muted, returned by :func:`Device.muted`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._places: list[levels.Place] = []

    def __enter__(self) -> Device:
        device = self._device
        with self._changing():
            for text, scope, element in levels.mute_places(device):
                if not device.get(text, scope, element):
                    self._places.append((text, scope, element))
                    device.set(text, True, scope, element)
        return device

    def _restore(self) -> None:
        for place in reversed(self._places):
            text, scope, element = place
            with contextlib.suppress(DeviceLostError, PropertyMissingError):
                self._device.set(text, False, scope, element)
            # Not before it is undone: Ctrl-C may interrupt this, and the exit handler goes on.
            self._places = [one for one in self._places if one != place]

    def __repr__(self) -> str:
        return f"<mute of {self._device!r} inside of a with block>"
