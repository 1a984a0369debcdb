"""What the program played while a microphone recorded, aligned with the recorded frames.

Each stream that plays on the output device has a history of the frames that its engine gave to the
device. A reference finds the frames that were heard at the time of each recorded frame, and adds
the streams up.

If the microphone and the output are one device, both have one time line in frames, and the
reference is exact. Otherwise the host times of both devices are compared, and the output is
interpolated between its frames. The relation of the two clocks is smoothed, because host times are
not exact and because a sudden step would be audible.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.drivers.protocol import Device, Driver
from voicecoil.streams.clock_fit import ClockFit, ClockLine, Stamps
from voicecoil.streams.history import HOST_TIME, SAMPLE_TIME, HistoryReader, Stamp
from voicecoil.streams.interpolation import REACH, interpolate
from voicecoil.streams.played import Playing, attach_all, listen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Reference"]

AHEAD_S = 2.0  # output is written before it is heard, by less than this
SAME_LINE_NS = 2e6  # largest difference of the times of one frame on one time line
JUMP_FRAMES = 48.0  # a larger difference between two devices is followed at once
SAME_RATE = 0.003  # two clocks of one nominal rate differ by less


class _Source:
    """The history of one stream that plays."""

    def __init__(self, playing: Playing, frames: int) -> None:
        self.playing = playing
        self.channels = playing.channels
        self.history = _core.History(frames, list(range(len(self.channels))))
        self.reader = HistoryReader(self.history)
        self.written = 0
        self.uid = playing.uid
        self.idle_ns: float | None = None  # time of the first read after which it did not run
        self._begin = 0  # frames before this position were given to another device
        self._fit = ClockFit(self.reader)
        self._next: float | None = None  # expected position of the next recorded frame

    def update(self) -> None:
        """Learn about the newest frames, and about a move of the stream to another device."""
        seen, uid = self.written, self.playing.uid
        self.written = self.reader.update()
        if uid != self.uid:
            self.uid = uid
            broken = self.reader.break_after(seen - 1)
            self._begin = self.written if broken is None else broken.position

    def read_same(self, first: int, frames: int) -> NDArray[np.float32]:
        """Return the frames that were heard from a sample time of the device on."""
        import numpy as np

        block = np.zeros((frames, len(self.channels)), np.float32)
        done = first
        for begin, end, stamp in self.reader.parts(self.written):
            from_frame = stamp.device_frames + begin - stamp.position
            low, high = max(done, from_frame), min(first + frames, from_frame + end - begin)
            if low < high:
                position = begin + low - from_frame
                block[low - first : high - first] = self._copy(position, high - low)
        return block

    def _copy(self, position: int, frames: int) -> NDArray[np.float32]:
        """Return frames of the history. Frames that it does not have are silence."""
        import numpy as np

        block = np.zeros((frames, len(self.channels)), np.float32)
        low, high = max(position, self._begin), min(position + frames, self.written)
        if low < high:
            part = np.empty((high - low, len(self.channels)), np.float32)
            oldest = self.history.copy(low, part)
            part[: max(0, min(len(part), oldest - low))] = 0.0
            block[low - position : high - position] = part
        return block

    def read_other(
        self, begin_ns: float, end_ns: float, frames: int, follows: bool
    ) -> NDArray[np.float32]:
        """Return frames that were heard between two host times, at another clock or rate."""
        import numpy as np

        silence = np.zeros((frames, len(self.channels)), np.float32)
        stamp = self.reader.stamp_at_host(begin_ns)
        line = None if stamp is None else self._fit.line_at(stamp.position)
        if line is None:
            self._next = None
            return silence
        begin, end = line.position_at(begin_ns), line.position_at(end_ns)
        if self._next is not None and follows and abs(begin - self._next) < JUMP_FRAMES:
            begin = self._next  # so that nothing jumps where two pieces meet
        self._next = end
        positions = np.asarray(begin + np.arange(frames) * ((end - begin) / frames), np.float64)
        first = int(np.floor(positions[0])) - REACH
        count = int(np.floor(positions[-1])) + REACH + 1 - first
        ratio = (line.position_at(end_ns) - line.position_at(begin_ns)) / frames
        cutoff = 1.0 if ratio < 1.0 + SAME_RATE else 1.0 / round(ratio, 3)
        return interpolate(self._copy(first, count), positions - first, cutoff)


class Reference:
    """What is played on one device. One thread at a time may read it.

    Parameters
    ----------
    driver : Driver
    device : Device
        The output device.
    kept_s : float
        How long frames are kept, s.
    """

    def __init__(self, driver: Driver, device: Device, kept_s: float) -> None:
        self.device = device
        self.channels = device.output_channels
        self._driver = driver
        self._kept_s = kept_s + AHEAD_S
        self._lock = threading.Lock()  # held only for single steps that do not wait
        self._sources: dict[int, _Source] = {}
        self._closed = False
        self._end: int | None = None  # position after the newest piece
        self._fit: ClockFit | None = None
        listen(self)

    def follow(self, reader: Stamps) -> None:
        """Tell the times of the microphone, whose clock is compared with the output's."""
        self._fit = ClockFit(reader)

    def move(self, device: Device) -> None:
        """Find what is played on another device from now on. Called on the reading thread."""
        self.device = device
        self.channels = device.output_channels
        attach_all(self)

    def shift_of(self, playing: Playing | None) -> int:
        """By how much a stream's sample time differs from the device's: the stream has moved."""
        source = self._sources.get(id(playing))
        if source is not None:
            source.update()
        newest = None if source is None else source.reader.newest_stamp
        return 0 if newest is None else newest.sample_frames - newest.device_frames

    def attach(self, playing: Playing) -> None:
        """Keep what a stream plays from now on. Called by `streams.played`."""
        if playing.driver is not self._driver:
            return
        if playing.uid != self.device.uid and not playing.may_move:
            return
        with self._lock:
            if self._closed or id(playing) in self._sources:
                return
            rate = self.device.samplerate or 48_000.0
            source = _Source(playing, int(self._kept_s * rate))
            if playing.engine.add_history(source.history, True):
                self._sources[id(playing)] = source

    def read(self, position: int, frames: int, stamp: Stamp, input_uid: str) -> NDArray[np.float32]:
        """Return what was played at the times of recorded frames, shape (frames, channels).

        `stamp` is the newest one at or before the position of the first frame.
        """
        import numpy as np

        offset = position - stamp.position
        host_ns = stamp.host_ns_at(position)
        follows = self._end == position
        self._end = position + frames
        total = np.zeros((frames, self.channels), np.float32)
        line: ClockLine | None = None
        with self._lock:
            sources = list(self._sources.items())
        for key, source in sources:
            source.update()
            if self._forget(key, source, host_ns):
                continue
            if source.uid != self.device.uid or source.written == 0:
                continue
            one_line = self._on_one_line(source, stamp, input_uid)
            if not one_line and line is None and self._fit is not None:
                line = self._fit.line_at(position)
            if one_line:
                heard = source.read_same(stamp.device_frames + offset, frames)
            elif line is not None:
                begin_ns = line.host_at(position)
                end_ns = line.host_at(position + frames)
                heard = source.read_other(begin_ns, end_ns, frames, follows)
            else:
                continue
            for column, channel in enumerate(source.channels):
                if channel < self.channels:
                    total[:, channel] += heard[:, column]
        return total

    def _on_one_line(self, source: _Source, stamp: Stamp, input_uid: str) -> bool:
        """Whether the microphone and the stream have one time line in frames."""
        if input_uid != self.device.uid or not stamp.valid & SAMPLE_TIME:
            return False
        newest = source.reader.newest_stamp
        if newest is None or not newest.valid & SAMPLE_TIME:
            return False
        if newest.samplerate != stamp.samplerate:
            return False
        if not newest.valid & stamp.valid & HOST_TIME:
            return True
        passed = newest.device_frames - stamp.device_frames
        apart_ns = newest.host_ns - stamp.host_ns - passed * 1e9 / stamp.samplerate
        return bool(abs(apart_ns) < SAME_LINE_NS)

    def _forget(self, key: int, source: _Source, host_ns: float) -> bool:
        """Drop a stream that has ended so long ago that no kept frame was recorded meanwhile."""
        if source.playing.runs:
            source.idle_ns = None
            return False
        newest = source.reader.newest_stamp
        if source.idle_ns is None:
            source.idle_ns = host_ns
        # A stream that was closed before its first IO cycle has no time of its end.
        end_ns = source.idle_ns
        if newest is not None and newest.valid & HOST_TIME:
            end_ns = newest.host_ns_at(source.written)
        if end_ns + self._kept_s * 1e9 >= host_ns:
            return False
        with self._lock:
            self._sources.pop(key, None)
        source.playing.engine.remove_history(source.history)
        return True

    def close(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            self._closed = True
            sources = list(self._sources.values())
            self._sources.clear()
        for source in sources:
            source.playing.engine.remove_history(source.history)
