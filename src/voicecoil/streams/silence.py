"""Warns of an input that gives nothing but exact zeros, and names what can cause that."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from voicecoil.drivers.protocol import Device, Driver
from voicecoil.drivers.system_audio import SystemAudioDevice
from voicecoil.drivers.two_devices import one_device
from voicecoil.errors import SilentInputWarning, VoicecoilError
from voicecoil.streams.channel_map import StreamChannels, places_on
from voicecoil.streams.silence_causes import causes_of_silence

__all__ = ["SILENT_S", "InputSilence", "channels_written_as"]

SILENT_S = 2.0
SEARCH_S = 0.3  # how long the other channels are recorded
SEARCH_TIMEOUT_S = 3.0


def _as_argument(argument: str, channels: Sequence[int]) -> str:
    return f"{argument}=[{', '.join(map(str, channels))}]"


_write_channels: Callable[[str, Sequence[int]], str] = _as_argument


@contextlib.contextmanager
def channels_written_as(write: Callable[[Sequence[int]], str]) -> Iterator[None]:
    """Context for opening streams. `write` makes the text of a list of channels in their warnings.

    The command line writes them as its own option, because its users give no argument of a stream.
    A stream keeps `write`: its warning may come when the context has ended.
    """
    global _write_channels  # for the whole process, which runs a single command
    _write_channels = lambda _, channels: write(channels)  # noqa: E731
    try:
        yield
    finally:
        _write_channels = _as_argument


class InputSilence:
    """What is known about the input of one stream if it gives nothing but exact zeros.

    Parameters
    ----------
    driver : Driver
    channels : StreamChannels
        The channels with which the stream was opened.
    argument : str
        The argument of the stream that gives the input channels.
    """

    def __init__(self, driver: Driver, channels: StreamChannels, argument: str) -> None:
        self._driver = driver
        self._channels = channels
        self._write_channels = partial(_write_channels, argument)
        self.is_natural = False  # at the last judgement nobody made a sound

    def message(self, device: Device, search: bool, stays_silent: Callable[[], bool]) -> str | None:
        """Returns the text of the warning; None if the stream has a signal by now.

        Parameters
        ----------
        device : Device
            The device that the stream is on now, or a pair of devices.
        search : bool
            Record the device's other channels for a moment, to name those that have a signal.
        stays_silent : callable
            Called after the search, because a signal may begin on all channels during it. Returns
            whether the stream is still silent.
        """
        used = [place for place in places_on(self._channels, device)[0] if place is not None]
        device = one_device(device, "input")
        search = search and not isinstance(device, SystemAudioDevice)
        heard = self._channels_with_signal(device, used) if search else []
        if search and not stays_silent():
            return None
        said = [
            f"{device.name!r} has given only zeros for {SILENT_S:g} s "
            f"({self._write_channels(used)})"
        ]
        found = causes_of_silence(self._driver, device, used)
        self.is_natural = found.natural
        if found.natural:
            return None
        said += found.read
        if heard:
            others = self._write_channels(heard)
            said.append(f"there is a signal on another channel: {others}")
        elif not found.certain:
            said.append("possible causes: " + "; ".join(found.possible))
        return "; ".join(said)

    def _channels_with_signal(self, device: Device, used: Sequence[int]) -> list[int]:
        """Returns the other channels of the device that have a signal now."""
        from voicecoil.streams.stream import InputStream  # which opens streams, as this module does

        others = [c for c in range(device.input_channels) if c not in used]
        if not others:
            return []
        try:
            with InputStream(
                lambda block: None,
                device=device,
                driver=self._driver,
                channels=others,
                latency="low",
                arrays="memoryview",
                meter=True,
            ) as stream:
                until = time.monotonic() + SEARCH_TIMEOUT_S
                while (
                    stream.statistics().frames < SEARCH_S * stream.samplerate
                    and time.monotonic() < until
                    and stream.active
                ):
                    time.sleep(0.02)
                levels = stream.levels()
                stream.abort()
        except (VoicecoilError, OSError):
            return []  # some audio systems open a device only once
        return [channel for channel, level in zip(others, levels, strict=True) if level.peak > 0]


def warn_of(text: str | None, note: Callable[[str], None]) -> None:
    """Passes `text` to `note`, which makes an event of it, and issues it as a warning.

    Does nothing if `text` is None. The event comes first, so that a program that sees the warning
    finds the event.
    """
    if text is None:
        return
    note(text)
    # If the program turns warnings into errors, no caller could catch this one.
    with contextlib.suppress(SilentInputWarning):
        warnings.warn(text, SilentInputWarning, stacklevel=1)
