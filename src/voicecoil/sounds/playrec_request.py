"""Checks the arguments of `playrec`, and prepares the sound and the memory for its response."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.drivers.protocol import OpenedFormat
from voicecoil.errors import ArgumentError
from voicecoil.wording import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicecoil.files.protocol import Source

__all__ = ["Prepared", "prepare", "read_sound", "resampled"]

ROOM_S = 1.0  # memory beyond the known round trip, because a server may report a longer one later
MARGIN_S = 0.1  # additional recording if the system only estimates its latency
# Silence around a sound whose rate is converted. It is longer than the converter's filter, which
# rings before and after each sample.
PAD_FRAMES = 2048
# Silence before a sound on two devices. In this time the ratio of their clocks becomes known.
SETTLE_S = 4.0
# A loss on two devices changes the frames of this time around it. Its position is exact to an IO
# cycle, and the delay between the clocks may have to settle again.
DISTURBED_S = 1.0


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
        Silence before the sound at its own rate.
    reach_frames : int
        A loss less than this far from the result may change it, at the sound's rate.
    samplerate, device_rate : int
        Hz.
    """

    code: _core.PlayrecCode
    recorded: NDArray[np.float32]
    sound_frames: int
    frames: int
    pad_frames: int
    reach_frames: int
    samplerate: int
    device_rate: int

    def at_sound_rate(self, device_frames: float) -> float:
        """Convert a number of the device's frames to frames of the sound's rate."""
        return device_frames * self.samplerate / self.device_rate


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
    frames: NDArray[np.float32],
    rate: int,
    opened_format: OpenedFormat,
    inputs: int,
    outputs: int,
    two_devices: bool,
) -> Prepared:
    """Return the sound as the device plays it, and the memory for its response.

    Raises
    ------
    ArgumentError
        The numbers of channels do not fit.
    """
    import numpy as np

    count = frames.shape[1]
    if count not in (1, outputs):
        raise ArgumentError(
            f"output_channels has {plural(outputs, 'channel')}, and the sound has {count}; give "
            "as many, or a sound with one channel, which is played on all of them"
        )
    device_rate = round(opened_format.samplerate)
    step = rate // math.gcd(rate, device_rate)  # so that the silence is whole frames at both rates
    after = 0 if device_rate == rate else -(-PAD_FRAMES // step) * step
    settling = round(SETTLE_S * rate) if two_devices else 0
    before = after + -(-settling // step) * step
    sound = frames
    if before or after:
        sound = resampled(np.pad(frames, ((before, after), (0, 0))), rate, device_rate)
    if count != outputs:
        sound = np.repeat(sound, outputs, axis=1)
    latencies = opened_format.latency("input"), opened_format.latency("output")
    round_trip = sum(latency.frames for latency in latencies)
    margin = 0
    if any(latency.is_estimate for latency in latencies):
        margin = round(MARGIN_S * device_rate)
    room = len(sound) + round_trip + margin + opened_format.max_period_frames
    recorded = np.empty((room + round(ROOM_S * device_rate), inputs), np.float32)
    recorded.fill(0.0)  # also maps the memory, so that the IO thread causes no page faults
    code = _core.PlayrecCode(
        np.ascontiguousarray(sound),
        recorded,
        margin_frames=margin,
        round_trip_frames=round_trip,
        zero_frame=before * device_rate // rate,
    )
    reach = after + (round(DISTURBED_S * rate) if two_devices else 0)
    return Prepared(code, recorded, len(sound), len(frames), before, reach, rate, device_rate)


def resampled(frames: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return the frames at another rate. Frame k of the result is the time ``k / wanted``."""
    if rate == wanted or not len(frames):
        return frames
    from voicecoil.files.convert import ArraySource, converted, read_all

    return read_all(converted(ArraySource(frames, rate), wanted, frames.shape[1]))
