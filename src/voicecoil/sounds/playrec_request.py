"""Checks the arguments of `playrec`, and prepares the sound and the memory for its response."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicecoil import _core
from voicecoil.arguments import shown
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.errors import ArgumentError
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["Prepared", "one_device", "prepare", "read_sound", "resampled"]

ROOM_S = 1.0  # memory beyond the known round trip, because a server may report a longer one later
MARGIN_S = 0.1  # additional recording if the system only estimates its latency
# Silence around a sound whose rate is converted. It is longer than the converter's filter, which
# rings before and after each sample.
PAD_FRAMES = 2048


@dataclass(frozen=True)
class Prepared:
    """A sound at the device's rate, and the memory for its response.

    Attributes
    ----------
    code : PlayrecCode
    recorded : ndarray
        At the device's rate. It begins with the first input frame of the stream.
    sound_frames : int
        Length of the sound at the device's rate, including the padding.
    frames : int
        Length of the sound at its own rate.
    pad_frames : int
        Silence before and after the sound at its own rate; 0 if the rate is not converted.
    samplerate, device_rate : int
        Hz.
    """

    code: _core.PlayrecCode
    recorded: NDArray[np.float32]
    sound_frames: int
    frames: int
    pad_frames: int
    samplerate: int
    device_rate: int

    def own(self, device_frames: float) -> float:
        """Convert a number of the device's frames to frames of the sound's rate."""
        return device_frames * self.samplerate / self.device_rate


def one_device(device: Any, driver: Driver) -> str | Device | None:
    """Return the device that a pair names twice, or `device` if it is not a pair.

    Raises
    ------
    ArgumentError
        The pair names two devices.
    """
    if not isinstance(device, (tuple, list)):
        return device  # type: ignore[no-any-return]
    if len(device) != 2:
        raise ArgumentError(f"device={shown(device)}; give one device, or a pair (input, output)")
    source = find_device(device[0], ("input",), driver)
    target = find_device(device[1], ("output",), driver)
    if source.uid == target.uid:
        return source
    both = [d.name for d in driver.devices() if d.input_channels and d.output_channels]
    raise ArgumentError(
        f"device={shown(device)} names two devices, {source.name!r} and {target.name!r}. Each has "
        "a clock of its own, and playrec needs one device with both directions: "
        + (f"give one of {', '.join(map(repr, both))}" if both else "there is none")
        + ", or on macOS make an aggregate device of the two in Audio MIDI Setup"
    )


def read_sound(source: Source) -> NDArray[np.float32]:
    """Return a copy of all frames of the sound, which the program may then change."""
    import numpy as np

    from voicecoil.files.convert import read_all

    frames = read_all(source)
    if not len(frames):
        raise ArgumentError("the sound is empty; give at least one frame")
    bad = frames.size - int(np.count_nonzero(np.isfinite(frames)))
    if bad:
        raise ArgumentError(
            f"the sound has {plural(bad, 'sample')} that are NaN or infinite, which no device can "
            "play; replace them"
        )
    return frames


def prepare(
    frames: NDArray[np.float32], rate: int, opened_format: OpenedFormat, inputs: int, outputs: int
) -> Prepared:
    import numpy as np

    count = frames.shape[1]
    if count not in (1, outputs):
        raise ArgumentError(
            f"output_channels has {plural(outputs, 'channel')}, and the sound has {count}; give "
            "as many, or a sound with one channel, which is played on all of them"
        )
    theirs = round(opened_format.samplerate)
    pad = 0
    sound = frames
    if theirs != rate:
        step = rate // math.gcd(rate, theirs)  # so that the padding is whole frames at both rates
        pad = -(-PAD_FRAMES // step) * step
        sound = resampled(np.pad(frames, ((pad, pad), (0, 0))), rate, theirs)
    if count != outputs:
        sound = np.repeat(sound, outputs, axis=1)
    latencies = opened_format.latency("input"), opened_format.latency("output")
    round_trip = sum(latency.frames for latency in latencies)
    margin = 0
    if any(latency.is_estimate for latency in latencies):
        margin = round(MARGIN_S * theirs)
    room = len(sound) + round_trip + margin + opened_format.max_period_frames
    recorded = np.empty((room + round(ROOM_S * theirs), inputs), np.float32)
    recorded.fill(0.0)  # also maps the memory, so that the IO thread causes no page faults
    code = _core.PlayrecCode(
        np.ascontiguousarray(sound), recorded, margin_frames=margin, round_trip_frames=round_trip
    )
    return Prepared(code, recorded, len(sound), len(frames), pad, rate, theirs)


def resampled(frames: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return the frames at another rate. Frame k of the result is the time ``k / wanted``."""
    if rate == wanted or not len(frames):
        return frames
    from voicecoil.files.convert import ArraySource, converted, read_all

    return read_all(converted(ArraySource(frames, rate), wanted, frames.shape[1]))
