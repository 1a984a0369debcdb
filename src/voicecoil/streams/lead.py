"""The worker of a stream: its lead over the device, and its thread. See docs/latency.md."""

from __future__ import annotations

import math
from typing import Any, Literal

from voicecoil import _core
from voicecoil.drivers.protocol import Got
from voicecoil.errors import ArgumentError, DriverError
from voicecoil.streams import realtimekit

__all__ = ["Ahead", "Home", "check_home"]

Home = Literal["safe", "low"] | float

# Twelve times the 5 ms after which CPython makes a thread give up the GIL. It is also longer than
# ordinary programs hold the GIL in one piece.
SAFE_LEAD_S = 0.060
SAFE_CYCLES = 2
UNKNOWN_FRAMES = 512  # assumed frames per cycle of a device that does not exist yet


def check_home(home: Home, own_home: bool, zero_copy: Any) -> None:
    """Refuses combinations that cannot work. `own_home`: the code is native or isolated.

    Raises
    ------
    ArgumentError
    """
    if own_home and not isinstance(home, str):
        raise ArgumentError(
            f"latency={home!r}; a native or isolated callback runs on the device's thread and "
            "needs no lead: leave latency out"
        )
    if zero_copy and not own_home and home != "low":
        raise ArgumentError(
            f"zero_copy=True with latency={home!r}; the device's own memory is there only on its "
            'own thread: give latency="low", or leave zero_copy out'
        )


def blocks_ahead(blocksize: int | None, got: Got) -> int:
    """Frames per block of a worker. Without `blocksize`, the usual frames of the device's cycle."""
    return blocksize or got.device_frames or got.usual_frames or got.max_frames or UNKNOWN_FRAMES


class Ahead:
    """A callback on a thread of its own, ahead of the device.

    Parameters
    ----------
    code : Code
    home : "safe" or float
    got : Got
    waited_for : bool
        The device's clock is not real, and its IO thread waits for the callback, so that a test
        always hears the same. A device in real time never waits.
    channels : (int, int)
        Input and output.
    block_frames : int

    Attributes
    ----------
    lead_frames : int
        Latency that the lead adds, frames. It is at least the longest cycle, and a whole number of
        cycles if all cycles have the same length.
    """

    def __init__(
        self,
        code: _core.Code,
        home: Home,
        got: Got,
        waited_for: bool,
        channels: tuple[int, int],
        block_frames: int,
    ) -> None:
        self._home = home
        self._duplex = all(channels)
        self._block_frames = block_frames
        self._waited_for = waited_for
        self._running = False
        self._run = 0
        self._seen = got.max_frames > 0
        self.lead_frames = self._lead(got)
        self.worker = _core.Worker(
            code,
            input_channels=channels[0],
            output_channels=channels[1],
            block_frames=block_frames,
            device_frames=got.max_frames or UNKNOWN_FRAMES,
            lead_frames=self.lead_frames,
            samplerate_hz=got.samplerate,
            waited_for=waited_for,
        )

    def _lead(self, got: Got) -> int:
        cycle = got.max_frames or UNKNOWN_FRAMES  # the longest cycle takes all its frames at once
        wanted_s = self._home if isinstance(self._home, float) else SAFE_LEAD_S
        least = 0 if isinstance(self._home, float) else SAFE_CYCLES * (got.usual_frames or cycle)
        frames = max(math.ceil(wanted_s * got.samplerate), cycle, least)
        if got.device_frames:
            frames = -(-frames // cycle) * cycle
        fits = got.device_frames and got.device_frames % self._block_frames == 0
        return frames + (self._block_frames if self._duplex and not fits else 0)

    @property
    def running(self) -> bool:
        """Whether the worker's thread may still exist."""
        return self._running

    def start(self, run: int) -> None:
        """Starts the thread, for the run of that number.

        Raises
        ------
        DriverError
            The system gives no thread.
        """
        self._run = run
        self._running = True  # set first, so that `join` also ends an interrupted start
        if not self.worker.start(run):
            self._running = False
            raise DriverError(
                "the system gives no thread; end some of the program's", call="pthread_create"
            )
        if not self._waited_for:
            realtimekit.raise_soon(self.worker)

    def stop(self, run: int) -> None:
        """Asks for the end of that run after all frames that were made were played."""
        self.worker.stop(run)

    def quit(self, run: int) -> None:
        """Asks for the end of that run after the current block."""
        self.worker.quit(run)

    def join(self, timeout_s: float) -> bool:
        """Ends the thread. Returns False if its callback did not return in time."""
        self.worker.quit(self._run)
        if self._running and not self.worker.join(timeout_s):
            return False
        self._running = False
        return True

    @property
    def ended(self) -> bool:
        """Whether no thread runs its callback."""
        return self.worker.ended

    def fit(self, got: Got, waited_for: bool, timeout_s: float) -> bool:
        """Adapts the worker to another device. False: its callback did not return in time.

        Frames that were made but not played yet are played on the new device, unless its cycles are
        too long for the present lead.
        """
        if self._seen and got.max_frames <= self.lead_frames and waited_for == self._waited_for:
            return True
        if not self.join(timeout_s):
            return False
        self._seen = True
        self._waited_for = waited_for
        self.lead_frames = self._lead(got)
        self.worker.fit(got.max_frames, self.lead_frames, waited_for)
        self.start(self._run)
        return True
