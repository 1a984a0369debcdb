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
)
from voicecoil.hal import levels
from voicecoil.hal.restored import end_block
from voicecoil.hal.setting import Temporarily
from voicecoil.hal.values import StreamFormat

if TYPE_CHECKING:
    from voicecoil.hal.device import Device, Stream
    from voicecoil.hal.values import RangedFormat

__all__ = ["ExclusiveFormat", "Hogged", "Muted"]


def _is_offered(wanted: StreamFormat, by: RangedFormat) -> bool:
    same = replace(wanted, samplerate=by.format.samplerate) == by.format
    return same and wanted.samplerate in by.rates


class _Together:
    """A context manager of settings that are restored together, the last one first."""

    def __init__(self) -> None:
        self._open: list[contextlib.ExitStack] = []  # one for each block of this object

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_block(self._open.pop().close, error)


class _HogMode(Temporarily):
    """The hog mode of this process. The hog mode of another process is left as it is."""

    def _restore(self) -> None:
        with contextlib.suppress(DeviceLostError):
            if self._thing.get("oink") == os.getpid():
                super()._restore()


class Hogged(_Together):
    """A context manager of hog mode, returned by :func:`Device.hogged`."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def __enter__(self) -> Device:
        device = self._device
        with contextlib.ExitStack() as undo:
            owner = device.hog_mode
            if owner in (-1, os.getpid()):
                owner = undo.enter_context(_HogMode(device, device._row("oink"), True, raises=True))
            if owner != os.getpid():
                raise DriverError(
                    f"the process {owner} uses {device!r} exclusively; end that program, or "
                    "turn its exclusive mode off",
                    call="AudioObjectSetPropertyData",
                )
            self._open.append(undo.pop_all())
        return device

    def __repr__(self) -> str:
        return f"<hog mode of {self._device!r} inside of a with block>"


class ExclusiveFormat(_Together):
    """A context manager of a physical format in hog mode, returned by :func:`Stream.exclusive`."""

    def __init__(self, stream: Stream, wanted: StreamFormat) -> None:
        super().__init__()
        if not isinstance(wanted, StreamFormat):
            raise ArgumentTypeError(
                f"exclusive({shown(wanted)}): give a StreamFormat, such as the `format` of one of "
                "the stream's available_physical_formats"
            )
        self._stream = stream
        self._wanted = wanted

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
            # Restored last, because other processes may use the device again after the hog mode.
            undo.enter_context(Hogged(device))
            made: StreamFormat = undo.enter_context(
                Temporarily(stream, stream._row("physical_format"), wanted)
            )
            self._open.append(undo.pop_all())
        return made

    def __repr__(self) -> str:
        return f"<{self._wanted} of {self._stream!r} in hog mode inside of a with block>"


class Muted(_Together):
    """A context manager in which a device is muted, returned by :func:`Device.muted`."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def __enter__(self) -> Device:
        device = self._device
        with contextlib.ExitStack() as undo:
            for text, scope, element in levels.mute_places(device):
                row = device._row(text)
                undo.enter_context(Temporarily(device, row, True, scope, element, raises=True))
            self._open.append(undo.pop_all())
        return device

    def __repr__(self) -> str:
        return f"<mute of {self._device!r} inside of a with block>"
