"""``Player``: plays sound that a program makes piece by piece."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from voicecoil import _core
from voicecoil.arguments import check_fade, check_gain, check_samplerate, check_timeout
from voicecoil.drivers.protocol import Device, Driver, OpenedFormat
from voicecoil.errors import StreamStateError, StreamTimeoutError
from voicecoil.lifetime.tasks import running_loop, time_limit
from voicecoil.lifetime.waking import reached
from voicecoil.live.feed import Feed
from voicecoil.live.marks import MAX_PENDING, MarkBook, Marks, OnMark, check_on_mark
from voicecoil.live.output_life import FirstStart
from voicecoil.live.player_facts import check_buffer
from voicecoil.live.player_life import PlayerLife
from voicecoil.live.writing import Done, Finish, Taken, Write, Writer
from voicecoil.sample_types import check_dtype, format_number
from voicecoil.sounds.gain import RAMP_S, check_pan, sides
from voicecoil.streams.channel_map import listed_channels
from voicecoil.streams.monitor import StreamMonitor
from voicecoil.streams.on_end import OnEnd
from voicecoil.streams.rate_conversion import check_quality
from voicecoil.streams.recovery import OnDeviceLost
from voicecoil.streams.request import CodeFactory, DeviceRate
from voicecoil.streams.stream import OutputStream

__all__ = ["Player"]

UNDERRUN_FADE_S = 0.003


class Player(PlayerLife):
    """Plays sound that the program makes piece by piece, such as speech from a network or a model.

    Chunks are written to a queue, and the device plays the queue. Any thread may call any method,
    and none waits for the device except `write`, `finish`, `drain` and those that open, start and
    close it. A player starts with its first `write`, with `start`, or with ``with``.

    After ``async with``, `write`, `finish` and `drain` return awaitables on the thread of that
    event loop, which never block it. On all other threads they block as usual.

    Parameters
    ----------
    samplerate : float or None
        The rate of the chunks, Hz; None: the rate at which the device runs. If the device runs at
        another rate, the writer's thread converts.
    channels : int, sequence of int, or None
        As for :class:`OutputStream`. One channel is played on both channels of the stereo pair.
    dtype : {"float32", "int16", "int32", "uint8"}
        The type of the samples of the chunks, as for :class:`OutputStream`.
    device : str, Device or None
        As for :class:`OutputStream`.
    driver : str, Driver or None
        As for :class:`OutputStream`.
    blocksize : int or None
        Frames per IO cycle that are requested from the device.
    buffer_s : float
        Duration of the queue, s. `write` waits while it is full.
    prebuffer_s : float
        An utterance begins when so much of it is queued, s, or when it is finished. The same
        applies after an underrun.
    gain : float
        Linear gain.
    pan : float
        -1 (left) to 1 (right). 0 leaves both channels as they are.
    on_device_lost : {"stop", "wait", "default"}
        As for :class:`OutputStream`. The queue is kept while there is no device.
    on_mark : callable or None
        Called with each :class:`Mark` when it is heard or cleared, on an ordinary thread that all
        listeners share.
    on_end : callable or None
        As for :class:`OutputStream`, but the first argument is the stream of the player.
    device_rate : {"keep", "set"}
        As for :class:`OutputStream`.
    conversion_quality : {"QQ", "LQ", "MQ", "HQ", "VHQ"}
        As for :class:`OutputStream`.
    name : str or None
        As for :class:`OutputStream`.
    connect : bool
        As for :class:`OutputStream`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`OutputStream`.

    Examples
    --------
    >>> with vc.Player(samplerate=24_000, channels=1, dtype="int16") as player:
    ...     for chunk in speech:
    ...         player.write(chunk)
    """

    def __init__(
        self,
        *,
        samplerate: float | None = None,
        channels: int | Sequence[int] | None = None,
        dtype: Any = "float32",
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        blocksize: int | None = None,
        buffer_s: float = 2.0,
        prebuffer_s: float = 0.0,
        gain: float = 1.0,
        pan: float = 0.0,
        on_device_lost: OnDeviceLost = "stop",
        on_mark: OnMark | None = None,
        on_end: OnEnd | None = None,
        device_rate: DeviceRate = "keep",
        conversion_quality: str = "HQ",
        name: str | None = None,
        connect: bool = True,
    ) -> None:
        rate = check_samplerate(samplerate)
        self._dtype = check_dtype(dtype)
        quality = check_quality(conversion_quality)
        check_on_mark(on_mark)
        self._buffer_s, self._prebuffer_s = check_buffer(buffer_s, prebuffer_s)
        self._gain, self._pan = check_gain(gain), check_pan(pan)
        listed = listed_channels(channels)
        self._one = listed is None and channels == 1 and not isinstance(channels, bool)
        self._stream = OutputStream(
            CodeFactory(self._make_code),
            device=device,
            driver=driver,
            # One channel is made two here, because it can have a pan then.
            channels=None if self._one else listed or channels,
            samplerate=rate if device_rate == "set" else None,
            blocksize=blocksize,
            on_device_lost=on_device_lost,
            on_end=on_end,
            device_rate=device_rate,
            name=name,
            connect=connect,
        )
        self._device_hz = self._stream.samplerate
        self._samplerate = rate or self._device_hz
        self._monitor = monitor = StreamMonitor(self._stream)
        self._feed = self._make_feed(quality)
        self._first_start = FirstStart(self._stream, "player")
        self._writer = Writer(self._feed, monitor, self._first_start)
        self._book = MarkBook(
            self._code,
            monitor.now_ns,
            self._feed.timeline.cut,
            on_mark,
            lambda: monitor.cycle_s,
            lambda: monitor.closed or monitor.trouble() is not None,
        )
        if monitor.waits_for_code:
            self._code.wait_for_frames()

    def _make_code(self, opened_format: OpenedFormat, inputs: int, outputs: int) -> _core.Code:
        self._channels = 1 if self._one else outputs
        device_hz = opened_format.samplerate
        self._code = _core.PlayerCode(
            channels=self._channels,
            output_channels=outputs,
            capacity_frames=math.ceil(self._buffer_s * device_hz),
            prebuffer_frames=math.ceil(self._prebuffer_s * device_hz),
            fade_frames=int(UNDERRUN_FADE_S * device_hz),
            messages=MAX_PENDING,
            levels=(self._gain, *sides(self._pan)),
            sample_format=format_number(self._dtype),
        )
        return self._code

    def _make_feed(self, quality: str) -> Feed:
        return Feed(
            self._code,
            (self._samplerate, self._device_hz),
            self._channels,
            self._dtype,
            quality,
            on_begin=lambda: self._book.collect(),
        )

    # ---- writing ----

    def write(self, chunk: Any, timeout: float | None = None, *, more: bool = True) -> Taken:
        """Queue a chunk. Waits while the queue is full.

        Several threads and tasks may write. Their chunks are not mixed with each other.

        Parameters
        ----------
        chunk : array or bytes-like
            Samples of the player's dtype, of the shape (frames, channels), or (frames,) if the
            player has one channel. Or bytes of such samples. It may be changed after the call.
        timeout : float or None
            Longest wait, s. None waits without a limit.
        more : bool
            False: the utterance ends with this chunk, as with :meth:`finish`.

        Returns
        -------
        int
            The frames of the chunk. After ``async with``: an awaitable of this number.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The chunk has another type or shape, or has NaN in it. Nothing of it is played.
        StreamTimeoutError
            `timeout` has passed. The message says how many frames were taken.
        StreamClosedError
            The player is closed.
        StreamStateError
            A signal handler has interrupted a call of the player, and would wait for it.
        DeviceLostError
            The device was lost, and the player cannot continue.
        """
        self._writer.refuse_ended()
        simple = timeout is None and more and self._loop is None
        if simple and (frames := self._writer.put_at_once(chunk)) >= 0:
            return Taken(frames)
        seconds = check_timeout(timeout)
        chunk, frames = self._examine(chunk)
        if self._is_async():
            return self._write_later(chunk, frames, seconds, more)  # type: ignore[return-value]
        self._first_start()
        self._writer.block(Write(self._feed, chunk, frames, more), seconds)
        return Taken(frames)

    async def _write_later(self, chunk: Any, frames: int, seconds: float | None, more: bool) -> int:
        await self._first_start.later()
        await self._writer.wait(Write(self._feed, chunk, frames, more), seconds)
        return frames

    def write_nowait(self, chunk: Any) -> int:
        """Queue as much of a chunk as there is room for. Never waits.

        Parameters
        ----------
        chunk : array or bytes-like
            As for :meth:`write`.

        Returns
        -------
        int
            The frames that were taken; 0 if there is no room, or while another thread writes.

        Raises
        ------
        ArgumentError, ArgumentTypeError, StreamClosedError, DeviceLostError
            As for :meth:`write`.
        StreamStateError
            The player was not started.
        """
        chunk, frames = self._examine(chunk)
        if not self._writer.begun:
            raise StreamStateError("the player was not started; start() it first")
        self._writer.refuse_ended()
        taken = self._writer.put_some(chunk) if frames else 0
        if taken < frames:
            self._writer.refuse_trouble()
        return taken

    def finish(self, timeout: float | None = None) -> Done:
        """Say that the utterance is complete. The next chunk begins another one.

        When the queue becomes empty after that, it is no underrun. This waits only if the device
        has another rate and the queue is full, because the rate converter keeps some frames back.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        bool
            True. After ``async with``: an awaitable of it.

        Raises
        ------
        StreamTimeoutError, StreamClosedError, DeviceLostError
            As for :meth:`write`.
        """
        seconds = check_timeout(timeout)
        self._writer.refuse_closed()
        if self._is_async():
            return self._finish_later(seconds)  # type: ignore[return-value]
        self._writer.block(Finish(self._feed), seconds)
        return Done(True)

    async def _finish_later(self, seconds: float | None) -> bool:
        await self._writer.wait(Finish(self._feed), seconds)
        return True

    def drain(self, timeout: float | None = None) -> Done:
        """Finish the utterance, and wait until everything that was written has been heard.

        Parameters
        ----------
        timeout : float or None
            Longest wait, s. None waits without a limit.

        Returns
        -------
        bool
            False: `timeout` has passed. After ``async with``: an awaitable of this value.

        Raises
        ------
        StreamClosedError
            The player is closed.
        DeviceLostError
            The device was lost, and the player cannot continue.
        """
        seconds = check_timeout(timeout)
        self._writer.refuse_closed()
        if self._is_async():
            return self._drain_later(seconds)  # type: ignore[return-value]
        until = None if seconds is None else time.monotonic() + seconds
        try:
            self._writer.block(Finish(self._feed), seconds)
        except StreamTimeoutError:
            return Done(False)
        target = self._code.written
        return Done(self._writer.sleep_until(lambda: self._passed() >= target, until))

    async def _drain_later(self, seconds: float | None) -> bool:
        try:
            async with time_limit(seconds):
                await self._writer.wait(Finish(self._feed), None)
                target = self._code.written
                await reached(
                    self._code.read_count(),
                    target,
                    period_s=self._monitor.cycle_s,
                    over=lambda: self._passed() >= target or self._book.over(),
                )
        except TimeoutError:
            return False
        if self._passed() < target:
            self._writer.refuse_trouble()
        return True

    def clear(self, fade_s: float = RAMP_S) -> None:
        """Discard everything that was written and not heard. Never waits.

        The sound fades out with the next block. Only what the device has taken already, which is
        its latency, is still heard before. A `write` that waits on another thread is discarded as
        a whole. The next chunk begins another utterance.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s. 0 ends the sound without a fade.
        """
        self._code.clear(self._frames_of(check_fade(fade_s)))

    # ---- marks ----

    def mark(self, name: Any) -> None:
        """Set a mark between the frames that were written before and those that will be.

        The mark is heard when all frames of the utterance before it have been heard. A mark at the
        beginning of an utterance is heard when its first frame begins. Never waits: while a `write`
        waits on another thread or in a task, the mark is behind the frames of its chunk that were
        taken so far. A signal handler may call this, too.

        Parameters
        ----------
        name : object
            Anything; it is reported with the mark.

        Raises
        ------
        StreamStateError
            More than 4,096 marks wait.
        StreamClosedError
            The player is closed.
        """
        self._writer.refuse_closed()
        self._writer.steps.run_or_defer(partial(self._set_mark, name))

    def _set_mark(self, name: Any) -> None:
        feed = self._feed
        clears = feed.code.clears
        one = feed.utterance
        begins = one is None or one.frames == 0 or one.clears != clears
        position = feed.code.written if begins or one is None else one.present
        self._book.set(name, feed.timeline.written, position, clears, begins)

    def marks(self) -> Marks:
        """Iterate over the marks when they are heard or cleared: ``for`` or ``async for``.

        Each mark is given to one iterator only. The iteration ends when the player is closed.

        Returns
        -------
        Marks
            An iterable of :class:`Mark`.
        """
        return Marks(self._book)

    def _is_async(self) -> bool:
        """Whether the call comes from a task of the loop that entered the player."""
        if self._loop is None:
            return False
        try:
            return running_loop() is self._loop
        except StreamStateError:
            return False

    def _examine(self, chunk: Any) -> tuple[Any, int]:
        self._writer.refuse_closed()
        return self._feed.examine(chunk)
