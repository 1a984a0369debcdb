"""Streams without a callback: `read` and `write` exchange frames with the device.

Two rings of bytes are between the program and the stream's worker. A lock guards them. The worker
holds it while it copies a block, so it never waits for long.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

from voicecoil.sounddevice.errors import STOPPED, CallbackStop, fault
from voicecoil.sounddevice.formats import BYTES

if TYPE_CHECKING:
    from voicecoil._block import Block
    from voicecoil.sounddevice.engine import Engine
    from voicecoil.sounddevice.formats import Layout
    from voicecoil.sounddevice.parameters import StreamParameters

__all__ = ["Exchange"]

INPUT_S = 2.0  # the input that is kept for a program that is late, s
OUTPUT_S = 0.05  # the least output that `write` makes ahead of the worker, s
PATIENCE_S = 0.05  # output waits for more before its beginning is played, at most this long
LOOK_S = 0.1  # interval at which a waiting call looks whether the stream still runs
DRAIN_S = 5.0


class Ring:
    """A ring of frames, with a count of those that it holds."""

    def __init__(self, frames: int, frame_bytes: int) -> None:
        self.frames = frames
        self.frame_bytes = frame_bytes
        self.used = 0
        self._memory = memoryview(bytearray(frames * frame_bytes))
        self._first = 0

    @property
    def free(self) -> int:
        """Frames for which there is room."""
        return self.frames - self.used

    def clear(self) -> None:
        """Drop all frames."""
        self.used = self._first = 0

    def _parts(self, first: int, count: int) -> tuple[memoryview, memoryview]:
        first %= self.frames
        size = self.frame_bytes
        head = min(count, self.frames - first)
        return (
            self._memory[first * size : (first + head) * size],
            self._memory[: (count - head) * size],
        )

    def put(self, data: memoryview) -> None:
        """Add frames for which there is room."""
        count = len(data) // self.frame_bytes
        head, rest = self._parts(self._first + self.used, count)
        head[:] = data[: len(head)]
        rest[:] = data[len(head) :]
        self.used += count

    def take(self, into: memoryview) -> None:
        """Move the oldest frames to `into`."""
        count = len(into) // self.frame_bytes
        head, rest = self._parts(self._first, count)
        into[: len(head)] = head
        into[len(head) :] = rest
        self.drop(count)

    def drop(self, count: int) -> None:
        """Drop the oldest frames."""
        self._first = (self._first + count) % self.frames
        self.used -= count


class Exchange:
    """The rings of a stream without a callback, and the callback that serves them.

    Parameters
    ----------
    parameters : StreamParameters
    layouts : dict of Layout
    """

    def __init__(self, parameters: StreamParameters, layouts: dict[str, Layout]) -> None:
        self._layouts = layouts
        self._rate = parameters.samplerate
        self._changed = threading.Condition()
        self._running = self._draining = False
        self._run = 0  # number of the newest run
        self._code = STOPPED  # the error of calls that the program has ended
        self._overflowed = self._underflowed = False
        self._primed = self._was_written = False
        self._since = 0.0
        self.input = self.output = None
        block = parameters.blocksize
        if (way := parameters.way("input")) is not None:
            frames = max(int(INPUT_S * self._rate), 8 * block)
            self.input = Ring(frames, way.channels * BYTES[way.dtype])
        if (way := parameters.way("output")) is not None:
            seconds = way.latency if isinstance(way.latency, float) else 0.0
            frames = max(int(max(OUTPUT_S, seconds) * self._rate), 3 * block)
            self.output = Ring(frames, way.channels * BYTES[way.dtype])

    @property
    def latency_s(self) -> float:
        """The time that output waits in its ring if the program keeps the ring full, s."""
        return self.output.frames / self._rate if self.output is not None else 0.0

    def begin(self) -> None:
        """Prepare a run."""
        with self._changed:
            for ring in (self.input, self.output):
                if ring is not None:
                    ring.clear()
            self._running, self._draining = True, False
            self._run += 1
            self._code = STOPPED
            self._overflowed = self._underflowed = False
            self._primed = self._was_written = False

    def end(self, engine: Engine, drop: bool, code: int = STOPPED) -> None:
        """End the run. Without `drop`, wait until the device has taken the frames of `write`.

        Calls of `read` and `write` that wait raise the error `code`.
        """
        with self._changed:
            self._draining, self._code = True, code
            if drop and self.output is not None:
                self.output.clear()
            self._changed.notify_all()
            until = time.monotonic() + DRAIN_S + self.latency_s
            while not drop and self.output is not None and self.output.used:
                if engine.finished or time.monotonic() > until:
                    break
                self._changed.wait(LOOK_S)
            self._running = False
            self._changed.notify_all()
        while not drop and not engine.finished and time.monotonic() < until:
            if engine.wait(LOOK_S):
                break

    def callback(self, block: Block) -> None:
        """Exchange one block with the device. Runs on the stream's worker."""
        with self._changed:
            if self.input is not None:
                self._put(self.input, block)
            if self.output is not None:
                self._take(self.output, block)
            over = self._draining and (self.output is None or not self.output.used)
            self._changed.notify_all()
        if over:
            raise CallbackStop

    def _put(self, ring: Ring, block: Block) -> None:
        layout = self._layouts["input"]
        samples = block.input
        if not layout.direct:
            samples = layout.memory(block.frames, block.input.shape[1])
            layout.to_program(block.input, samples)
        data = memoryview(cast("Any", samples)).cast("B")
        self._overflowed |= block.xrun > 0
        if block.frames > ring.frames:
            data = data[-ring.frames * ring.frame_bytes :]
        missing = len(data) // ring.frame_bytes - ring.free
        if missing > 0:
            ring.drop(missing)
            self._overflowed = True
        ring.put(data)

    def _take(self, ring: Ring, block: Block) -> None:
        self._underflowed |= block.xrun > 0 and self._was_written
        frames = min(ring.used, block.frames)
        if not self._primed:
            waited = time.monotonic() - self._since > PATIENCE_S
            self._primed = bool(frames) and (
                2 * ring.used >= ring.frames or waited or self._draining
            )
            if not self._primed:
                return
        layout = self._layouts["output"]
        samples = (
            block.output if layout.direct else layout.memory(block.frames, block.output.shape[1])
        )
        ring.take(memoryview(cast("Any", samples)).cast("B")[: frames * ring.frame_bytes])
        if not layout.direct:
            if layout.dtype == "uint8":
                samples[frames:] = 128
            layout.to_engine(samples, block.output)
        if frames < block.frames and not self._draining:
            self._underflowed, self._primed = True, False

    def available(self, way: str) -> int:
        """Return the frames that can be read or written without waiting."""
        with self._changed:
            if not self._running:
                return 0
            if way == "input":
                return self.input.used if self.input is not None else 0
            return self.output.free if self.output is not None and not self._draining else 0

    def _check_run(self, run: int) -> None:
        """Raise the error of a call that waits in a run which the program has ended."""
        if run != self._run or self._draining or not self._running:
            raise fault(self._code)

    def read(self, into: memoryview, engine: Engine) -> bool | None:
        """Fill `into` with input. Returns whether input was lost; None: it has ended by itself."""
        ring = self.input
        assert ring is not None
        with self._changed:
            place, run = 0, self._run
            while place < len(into):
                if run != self._run:
                    raise fault(STOPPED)
                frames = min(ring.used, (len(into) - place) // ring.frame_bytes)
                if frames:
                    end = place + frames * ring.frame_bytes
                    ring.take(into[place:end])
                    place = end
                else:
                    self._check_run(run)
                    if engine.finished:
                        return None
                    self._changed.wait(LOOK_S)
            lost, self._overflowed = self._overflowed, False
            return lost

    def write(self, data: memoryview, engine: Engine) -> bool | None:
        """Take all frames of `data`. Returns whether output was missing; None: as for `read`."""
        ring = self.output
        assert ring is not None
        with self._changed:
            missed, self._underflowed = self._underflowed, False
            place, run = 0, self._run
            while place < len(data):
                # `end` waits until the ring is empty, so nothing is added while it does.
                self._check_run(run)
                if engine.finished:
                    return None
                frames = min(ring.free, (len(data) - place) // ring.frame_bytes)
                if frames:
                    if not ring.used:
                        self._since = time.monotonic()
                    end = place + frames * ring.frame_bytes
                    ring.put(data[place:end])
                    place = end
                else:
                    self._changed.wait(LOOK_S)
            self._was_written = True
            return missed
