"""The streams of python-sounddevice's API."""

from __future__ import annotations

import operator
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from voicecoil.arguments import shown
from voicecoil.errors import Stop, VoicecoilError
from voicecoil.lifetime.flag import Flag
from voicecoil.sounddevice import state
from voicecoil.sounddevice.callback import adapted, ends_at_once, print_error, release_locals
from voicecoil.sounddevice.devices import one_look
from voicecoil.sounddevice.errors import (
    BAD_STREAM,
    DEVICE_UNAVAILABLE,
    STOPPED,
    PortAudioError,
    fault,
    translated,
)
from voicecoil.sounddevice.formats import BYTES
from voicecoil.sounddevice.options import options
from voicecoil.sounddevice.parameters import StreamParameters, direction_parameters, samplerate_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, TypeGuard

    from voicecoil._block import Block
    from voicecoil.sounddevice.blocking import Exchange
    from voicecoil.sounddevice.engine import Engine

__all__ = ["StreamBase"]

FINISH_S = 5.0  # how long `stop` waits for `finished_callback`
_WAYS = {"input": ("input",), "output": ("output",), "duplex": ("input", "output")}


def _or_default(value: Any, name: str) -> Any:
    return getattr(state.default, name) if value is None else value


class StreamBase:
    """What all streams have in common. Programs use its subclasses.

    Parameters
    ----------
    kind : {"input", "output", "duplex"}
        The directions.
    samplerate, blocksize, device, channels, dtype, latency, extra_settings, callback, \
    finished_callback, clip_off, dither_off, never_drop_input, \
    prime_output_buffers_using_stream_callback
        As for `Stream`.
    userdata : object, optional
        Accepted, and not used.
    wrap_callback : {"array", "buffer"} or None
        What the callback gets. None is for functions in C with PortAudio's interface, which
        are not supported.
    """

    _doing: ClassVar[str] = "Error opening"

    def __init__(
        self,
        kind: str,
        samplerate: Any = None,
        blocksize: Any = None,
        device: Any = None,
        channels: Any = None,
        dtype: Any = None,
        latency: Any = None,
        extra_settings: Any = None,
        callback: Any = None,
        finished_callback: Any = None,
        clip_off: Any = None,
        dither_off: Any = None,
        never_drop_input: Any = None,
        prime_output_buffers_using_stream_callback: Any = None,
        userdata: Any = None,
        wrap_callback: Any = None,
    ) -> None:
        assert kind in _WAYS, f"kind={kind!r}; possible are {', '.join(_WAYS)}"
        self._closed = True  # until it is open
        self._kind = kind
        if callback is not None and wrap_callback is None:
            raise NotImplementedError(
                "wrap_callback=None is for C functions with PortAudio's interface, and there is no "
                "PortAudio here; native functions are callbacks of voicecoil.Stream "
                "(voicecoil.NativeCallback)"
            )
        doing = f"{self._doing} {type(self).__name__}"
        blocksize = operator.index(_or_default(blocksize, "blocksize"))
        if blocksize < 0:
            raise OverflowError(f"blocksize={blocksize}; it can't be negative: give 0 or more")
        drops = _or_default(never_drop_input, "never_drop_input")
        primes = _or_default(
            prime_output_buffers_using_stream_callback,
            "prime_output_buffers_using_stream_callback",
        )
        with one_look():
            ways = [
                direction_parameters(way, device, channels, dtype, latency, extra_settings, doing)
                for way in _WAYS[kind]
            ]
        rate = samplerate_of(samplerate, ways, doing)
        self._parameters = StreamParameters(kind, ways, rate, blocksize)
        self._parameters.check_flags(bool(drops), callback is not None, doing)
        self._finished_callback = finished_callback
        self._exchange: Exchange | None = None
        self._error: BaseException | None = None
        self.over = Flag()  # set when the newest run is over
        self.when_over: Callable[[], object] | None = None  # called just before that; must not wait
        self._ended = Flag()  # set when `finished_callback` has returned
        self._stopped = True
        self._last_latency: Any = None
        self._engine = self._open(callback, wrap_callback == "buffer", bool(primes), doing)
        self._samplerate = self._engine.samplerate
        self._closed = False
        self._raises = options.raise_callback_errors
        self._last_latency = self.latency

    def _open(self, callback: Any, raw: bool, primes: bool, doing: str) -> Engine:
        from voicecoil.sounddevice.engine import Engine

        layouts = self._parameters.layouts()
        owner = weakref.ref(self)

        def fail(error: BaseException) -> None:
            stream = owner()
            if stream is not None:
                stream._fail(error, callback)
            if raw:
                release_locals(error)
            raise Stop from None  # a stream that converts would call again for the same block

        if callback is None:
            from voicecoil.sounddevice.blocking import Exchange

            self._exchange = Exchange(self._parameters, layouts)
            code: Callable[[Block], None] = self._exchange.callback
        else:
            called = callback
            if primes and "output" in layouts:
                from voicecoil.sounddevice.priming import primed

                called = primed(callback, "input" in layouts, raw)
            code = adapted(called, layouts, raw, fail)

        def note_over() -> None:
            stream = owner()
            if stream is not None:
                stream._note_over()

        def note_end(engine: Any, error: BaseException | None) -> None:
            stream = owner()
            if stream is not None and stream._finished_callback is not None:
                stream._note_end()

        try:
            return Engine(
                on_end=note_end,
                at_once=note_over,
                callback=code,
                arrays="memoryview" if raw and self._parameters.direct else "numpy",
                driver=options.driver,
                on_device_lost=options.on_device_lost,
                **self._parameters.engine_arguments(callback is None),
            )
        except VoicecoilError as error:
            raise translated(error, doing) from error
        except OSError as error:
            raise PortAudioError(f"{doing}: {error}") from error

    def _fail(self, error: BaseException, callback: Any) -> None:
        """End the run at once. Called in the callback."""
        if not ends_at_once(error):
            print_error(callback, error)
            self._error = error
        self._engine.abort()

    def _note_over(self) -> None:
        """Note that the run is over. Called by the thread that has noticed it, so that no other
        stream's `finished_callback`, which all run on one thread, delays those that wait.
        """
        if self.when_over is not None:
            self.when_over()
        self.over.set()
        if self._finished_callback is None:
            self._settle(self._ended)

    def _note_end(self) -> None:
        """Tell the program that the run is over. Called on the listener thread."""
        ended = self._ended  # the program may start the stream again in its callback
        try:
            self._finished_callback()
        except BaseException as error:
            print_error(self._finished_callback, error)
        finally:
            self._settle(ended)

    def _settle(self, ended: Flag) -> None:
        ended.set()
        if self._engine.finished:
            state.running.discard(self)

    @property
    def samplerate(self) -> float:
        """Frames per second, Hz."""
        return self._samplerate

    @property
    def blocksize(self) -> int:
        """Frames per block as requested; 0: the device's."""
        return self._parameters.blocksize

    @property
    def device(self) -> Any:
        """Index of the device, or a pair."""
        return self._parameters.each("device")

    @property
    def channels(self) -> Any:
        """Number of channels, or a pair."""
        return self._parameters.each("channels")

    @property
    def dtype(self) -> Any:
        """Sample format, or a pair."""
        return self._parameters.each("dtype")

    @property
    def samplesize(self) -> Any:
        """Bytes of a sample, or a pair."""
        formats = self.dtype
        if isinstance(formats, tuple):
            return tuple(BYTES[one] for one in formats)
        return BYTES[formats]

    @property
    def latency(self) -> Any:
        """Latency from the program to the connector, or from there to the program, s; or a pair."""
        if not self._closed:
            found = self._engine.latencies_s
            extra = self._exchange.latency_s if self._exchange is not None else 0.0
            if "output" in found:
                found["output"] += extra
            values = tuple(found[way] for way in _WAYS[self._kind])
            self._last_latency = values if self._kind == "duplex" else values[0]
        return self._last_latency

    @property
    def active(self) -> bool:
        """Whether the stream runs. It is active until its last frame was played."""
        return not self.stopped and not self._engine.finished

    @property
    def stopped(self) -> bool:
        """Whether the stream was not started yet, or was stopped since.

        A stream that has ended by itself is neither active nor stopped. In a forked process, the
        streams of its parent are stopped.
        """
        return self._closed or self._stopped or self._engine.was_forked

    @property
    def closed(self) -> bool:
        """Whether the stream was closed."""
        return self._closed

    @property
    def time(self) -> float:
        """The time now, s, on the clock of the times that callbacks get."""
        if self._closed:
            raise PortAudioError("Error getting stream time: the stream is closed")
        return self._engine.now_ns() / 1e9

    @property
    def cpu_load(self) -> float:
        """The part of a block's duration that the callback takes, 0 to 1 if it is in time."""
        if not self.active:
            return 0.0
        counts = self._engine.statistics()
        if not self._engine.lead_frames or not counts.blocks:
            return counts.load
        block_s = counts.frames / counts.blocks / self._samplerate
        return counts.run_time.median_s / block_s

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        raised = self._error
        if error is not None:
            self._error = None  # the error that is already being raised is the one to see
            if raised is not None and raised is not error:
                error.add_note(f"the stream's callback had raised {shown(raised)}")
        try:
            self.stop()
        finally:
            self.close()

    def start(self) -> None:
        """Begin to call the callback, or to exchange frames with `read` and `write`.

        It does nothing if the stream was started and not stopped since.
        """
        if self._closed:
            raise fault(BAD_STREAM, "Error starting stream")
        if not self.stopped:
            return
        self._error = None
        self.over, self._ended = Flag(), Flag()
        if self._exchange is not None:
            self._exchange.begin()
        self._stopped = False
        # Kept until it has ended, because PortAudio's streams run also if the program drops them.
        state.running.add(self)
        try:
            self._engine.start()
        except BaseException as error:
            self._stopped = True
            state.running.discard(self)
            if isinstance(error, VoicecoilError):
                raise translated(error, "Error starting stream") from error
            raise

    def stop(self, ignore_errors: bool = True) -> None:
        """End the stream when all frames that it has were played.

        Parameters
        ----------
        ignore_errors : bool, optional
            False: raise PortAudioError if the stream is not running or cannot be stopped.

        Raises
        ------
        Exception
            The exception that has ended the callback, once; see ``options``.
        """
        self._end("stop", "Error stopping stream", ignore_errors)

    def abort(self, ignore_errors: bool = True) -> None:
        """End the stream at once. Frames that were not played are dropped.

        Parameters
        ----------
        ignore_errors : bool, optional
            As for `stop`.
        """
        self._end("abort", "Error aborting stream", ignore_errors)

    def _end(self, how: str, doing: str, ignore_errors: bool) -> None:
        if self.stopped:
            if not ignore_errors:
                raise fault(BAD_STREAM if self._closed else STOPPED, doing)
            return
        try:
            if self._exchange is not None:
                self._exchange.end(self._engine, drop=how == "abort")
            (self._engine.stop if how == "stop" else self._engine.abort)()
        except VoicecoilError as error:
            if not ignore_errors:
                raise translated(error, doing) from error
        self._wait_ended()
        self._stopped = True
        state.running.discard(self)
        self._raise_error()

    def _wait_ended(self) -> None:
        """Wait until `finished_callback` has returned, except in the two callbacks themselves."""
        if self._engine.may_wait:
            self._ended.wait(FINISH_S)

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None and self._raises:
            raise error

    def close(self, ignore_errors: bool = True) -> None:
        """End the stream at once and release the device.

        Parameters
        ----------
        ignore_errors : bool, optional
            As for `stop`.
        """
        if self._closed:
            if not ignore_errors:
                raise fault(BAD_STREAM, "Error closing stream")
            return
        self._last_latency = self.latency
        ran = not self.stopped
        self._closed = True
        try:
            if self._exchange is not None and ran:
                self._exchange.end(self._engine, drop=True, code=BAD_STREAM)
            self._engine.close()
        except VoicecoilError as error:
            if not ignore_errors:
                raise translated(error, "Error closing stream") from error
        if ran:
            self._wait_ended()
        self._stopped = True
        state.running.discard(self)
        self._raise_error()

    def _not_running(self) -> PortAudioError:
        """Return the error of `read` and `write` on a stream that does not run."""
        return fault(BAD_STREAM if self._closed else STOPPED)

    def loss(self) -> PortAudioError | None:
        """Return the error of a stream that has ended with its device; None if it has not."""
        found = self._engine.exception
        return translated(found, "The stream has ended") if _is_ours(found) else None

    def _lost(self) -> PortAudioError:
        """Return the error of `read` and `write` on a stream that has ended by itself."""
        return self.loss() or fault(DEVICE_UNAVAILABLE, "The stream has ended")


def _is_ours(error: BaseException | None) -> TypeGuard[VoicecoilError]:
    return isinstance(error, VoicecoilError)
