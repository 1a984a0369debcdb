"""Calls a callback with blocks of the program's rate, on the worker of a device with another rate.

The worker calls a `RateConverter` for blocks of the device. It converts the input, calls the
program's callback for each complete block of the program, and converts the output. All positions
are counted in whole frames, so the relation between the two rates is exact for any time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from voicecoil import _block, _core
from voicecoil.errors import Stop
from voicecoil.statistics import Statistics
from voicecoil.streams.rate_conversion import Conversion, new_resampler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RateConverter"]


class _Frames:
    """A queue of frames. It counts all frames that were ever added and taken."""

    def __init__(self) -> None:
        self._chunks: deque[NDArray[np.float32]] = deque()
        self.added = 0
        self.taken = 0

    def __len__(self) -> int:
        return self.added - self.taken

    def add(self, frames: NDArray[np.float32]) -> None:
        if len(frames):
            self._chunks.append(frames)
            self.added += len(frames)

    def take(self, into: NDArray[np.float32]) -> int:
        """Fills the array as far as there are frames. Returns how many there were."""
        done = 0
        while done < len(into) and self._chunks:
            first = self._chunks[0]
            count = min(len(first), len(into) - done)
            into[done : done + count] = first[:count]
            done += count
            if count == len(first):
                self._chunks.popleft()
            else:
                self._chunks[0] = first[count:]
        self.taken += done
        return done


class _Line:
    """The sample times of one direction, in frames of the program.

    A position is a number of frames since the start of the stream, with those that were lost.
    """

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion
        self._device_origin: int | None = None
        self._origin = 0

    def place(self, sample_frames: int | None, position: int) -> None:
        """Notes the device's sample time at a position of the device."""
        if sample_frames is None:
            return
        origin = sample_frames - position
        if self._device_origin is None:
            self._origin = self._conversion.to_program(origin)
        elif origin != self._device_origin:
            self._origin += self._conversion.to_program(origin - self._device_origin)
        self._device_origin = origin

    def at(self, position: int) -> int:
        """Returns the sample time of a position of the program."""
        return self._origin + position

    def convert(self, sample_frames: int | None) -> int:
        """Returns a sample time of the device as one of the program."""
        if sample_frames is None or self._device_origin is None:
            return 0
        return self._origin + self._conversion.to_program(sample_frames - self._device_origin)


class RateConverter:
    """The callable that a worker calls in place of the program's callback.

    Only the worker calls it. `begin` is called while the worker does not run.

    Parameters
    ----------
    code : PythonCode
        The program's callback.
    conversion : Conversion
    channels : (int, int)
        Input and output.
    blocks : int
        How often the callback was called before.

    Attributes
    ----------
    blocks : int
        How often the program's callback was called.
    nonfinite_samples : int
        NaN and infinite samples of the callback, which were replaced by silence.
    """

    def __init__(
        self,
        code: _core.PythonCode,
        conversion: Conversion,
        channels: tuple[int, int],
        blocks: int = 0,
    ) -> None:
        self.code = code
        self.conversion = conversion
        self._channels = channels
        self.blocks = blocks
        self.nonfinite_samples = 0
        self.begin()

    def begin(self) -> None:
        """Begins a run: nothing of an earlier run is left."""
        import numpy as np

        conversion, (inputs, outputs) = self.conversion, self._channels
        to_program = (conversion.device_hz, conversion.program_hz)
        quality, size = conversion.quality, conversion.program_frames
        self._ending = self._over = False
        self._resample_in = new_resampler(*to_program, inputs, quality) if inputs else None
        self._resample_out = new_resampler(*to_program[::-1], outputs, quality) if outputs else None
        self._incoming, self._outgoing = _Frames(), _Frames()
        self._given = np.zeros((size, inputs), np.float32) if inputs else None
        self._made = np.zeros((size, outputs), np.float32) if outputs else None
        self._delay = conversion.duplex_delay_frames if inputs and outputs else 0
        if self._delay:
            self._outgoing.add(np.zeros((self._delay, outputs), np.float32))
        self._lines = _Line(conversion), _Line(conversion)
        self._device_frames = 0  # frames of the device before the present block
        self._program_frames = 0  # frames for which the callback was called
        # Frames that the device has lost: all, those whose position is not known yet, those before
        # the next block of the program, and the same in frames of the program.
        self._lost = self._unplaced = self._passed = self._reported = 0
        self._losses: deque[tuple[int, int]] = deque()  # (position, frames) of the others
        self._next_sample: int | None = None  # the device's next sample time if it loses nothing

    def end(self) -> None:
        """Asks the run to end after the input that has arrived, when all output was played."""
        self._ending = True

    def __call__(self, block: _block.Block) -> None:
        """Called by the worker for a block of the device."""
        self._count_lost(block)
        position = self._device_frames + self._lost
        self._lines[0].place(block.time.input_frames, position)
        self._lines[1].place(block.time.output_frames, position)
        last = self._ending or self._over
        if not self._over:
            if self._resample_in is not None:
                self._take_input(block, last)
            else:
                self._pull_output(block, last)
            if last:
                self._finish()
        self._device_frames += block.frames
        missing = self._give_output(block)
        if self._over and (missing or self._resample_out is None):
            raise Stop

    def _take_input(self, block: _block.Block, last: bool) -> None:
        import numpy as np

        frames = np.array(block.input, np.float32, copy=True)
        if not np.isfinite(frames).all():  # the filter would spread them to other frames
            np.nan_to_num(frames, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        assert self._given is not None
        assert self._resample_in is not None
        self._incoming.add(self._resample_in.resample_chunk(frames, last))
        while len(self._incoming) >= len(self._given) and not self._over:
            self._incoming.take(self._given)
            self._call(block)

    def _pull_output(self, block: _block.Block, last: bool) -> None:
        while len(self._outgoing) < block.frames and not last and not self._over:
            self._call(block)

    def _call(self, block: _block.Block) -> None:
        """Calls the program's callback for its next block."""
        size = self.conversion.program_frames
        lost = self._report_lost()
        moments = self._moments(block)
        stopped, wrong = self.code.call(self._given, self._made, size, lost, block.time, moments)
        self._program_frames += size
        self.blocks += 1
        self.nonfinite_samples += wrong
        if self._resample_out is not None:
            self._outgoing.add(self._resample_out.resample_chunk(self._made, stopped))
        if stopped:
            self._over = True

    def _finish(self) -> None:
        """Makes the resampler give the output that it has kept back."""
        import numpy as np

        if self._resample_out is not None and not self._over:
            nothing = np.zeros((0, self._channels[1]), np.float32)
            self._outgoing.add(self._resample_out.resample_chunk(nothing, True))
        self._over = True

    def _give_output(self, block: _block.Block) -> bool:
        """Fills the device's output. Returns whether frames were missing."""
        if self._resample_out is None:
            return False
        return self._outgoing.take(block.output) < block.frames

    def add_counts(self, counted: Statistics) -> Statistics:
        """Returns the statistics of a stream with the blocks and frames of the program."""
        return replace(
            counted,
            blocks=self.blocks,
            frames=self.blocks * self.conversion.program_frames,
            nonfinite_samples=counted.nonfinite_samples + self.nonfinite_samples,
        )

    # ---- lost frames and times ----

    def _count_lost(self, block: _block.Block) -> None:
        """Notes the frames that the device has lost, and where.

        A block that spans several cycles reports a loss also if it is inside the block. Then its
        own sample time has not advanced by the loss, and the loss counts before the next block.
        """
        sample = block.time.input_frames if self._channels[0] else block.time.output_frames
        self._unplaced += block.xrun
        lost = self._unplaced
        if sample is not None and self._next_sample is not None:
            lost = min(lost, max(0, sample - self._next_sample))
        self._next_sample = None if sample is None else sample + block.frames
        if lost:
            self._unplaced -= lost
            self._lost += lost
            self._losses.append((self._device_frames, lost))

    def _report_lost(self) -> int:
        """Returns the frames lost before the next block of the program, in its frames.

        The sum of all reports is the sum of all losses, rounded once. So no error accumulates.
        """
        program, device = self.conversion.steps
        while self._losses and self._losses[0][0] * program <= self._program_frames * device:
            self._passed += self._losses.popleft()[1]
        before, self._reported = self._reported, self.conversion.to_program(self._passed)
        return self._reported - before

    def _moments(self, block: _block.Block) -> tuple[int, int, int, int, int]:
        """Returns the times of the next block of the program, as `PythonCode.call` takes them.

        Call it after `_report_lost`.
        """
        program, device = self.conversion.steps
        # Distances from the first frame of the device's block, multiplied by `program`.
        distance = self._program_frames * device - self._device_frames * program
        input_distance = distance - (self._lost - self._passed) * program
        output_distance = distance + self._delay * program
        ns = 1e9 / (program * self.conversion.device_hz)
        position, delay = self._program_frames, self.conversion.to_program(self._delay + self._lost)
        time = block.time
        return (
            round(input_distance * ns),
            round(output_distance * ns),
            self._lines[0].at(position + self._reported),
            self._lines[1].at(position + delay),
            self._lines[0 if self._channels[0] else 1].convert(time.now_frames),
        )
