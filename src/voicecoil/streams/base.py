"""What the three kinds of stream have in common: opening, starting, waiting, ending."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Mapping
from types import FunctionType, TracebackType
from typing import Any, Literal, Self

from voicecoil import _block, _core
from voicecoil.arguments import (
    check_blocksize,
    check_latency,
    check_samplerate,
    check_timeout,
    shown,
)
from voicecoil.callbacks.isolated import IsolatedCode, check_name
from voicecoil.callbacks.mailbox import Record
from voicecoil.callbacks.native import as_native, check_native, native_code
from voicecoil.callbacks.unsuitable import why_unsuitable
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import (
    Device,
    Direction,
    Driver,
    Got,
    HoldingDriver,
    Wanted,
)
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    CallbackResultError,
    EscapedBlockError,
    Stop,
    StreamStateError,
    StreamTimeoutError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.streams.channel_map import channel_map
from voicecoil.streams.lead import Ahead, Home, blocks_ahead, check_home
from voicecoil.streams.lifecycle import HALT_S, POLL_S, STOP_TIMEOUT_S, Connection, Place
from voicecoil.streams.properties import StreamFacts
from voicecoil.streams.recovery import (
    OnDeviceLost,
    Recovery,
    absent_got,
    check_on_device_lost,
    find_or_await,
)

__all__ = ["Callback", "CodeFactory", "StreamBase"]

Callback = Callable[[_block.Block], None]

# Between two looks of `wait` at what only Python can see: a device that is lost, a stop by another
# thread. Signals, and the stream's own end, are noticed at once.
LOOK_S = 0.1


class StreamBase(StreamFacts):
    """What the three kinds of stream have in common."""

    def __init__(
        self,
        callback: Callback | Any,
        *,
        device: str | Device | None = None,
        driver: str | Driver | None = None,
        samplerate: float | None = None,
        channels: Any = None,
        blocksize: int | None = None,
        latency: Home = "safe",
        zero_copy: bool = False,
        arrays: Literal["numpy", "memoryview"] = "numpy",
        meter: bool = False,
        on_device_lost: OnDeviceLost = "stop",
        isolated: bool = False,
        parameters: Mapping[str, Any] | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection: Connection | None = None
        self._ahead: Ahead | None = None
        self._generation = exit_and_fork.generation()
        home = check_latency(latency)
        if arrays not in ("numpy", "memoryview"):
            raise ArgumentError(f'arrays={arrays!r}; possible are "numpy" and "memoryview"')
        name = check_name(callback) if isolated else None
        if name is not None:
            arrays = "memoryview"
        make_code = callback if isinstance(callback, CodeFactory) else None
        native = None if make_code or name else as_native(callback)
        if make_code is None and native is None and name is None and not callable(callback):
            if isinstance(callback, str) and ":" in callback:
                raise ArgumentTypeError(
                    f"callback={shown(callback)} is a name; give the function itself, or "
                    "isolated=True to have it imported in an interpreter of its own"
                )
            raise ArgumentTypeError(
                f"callback={shown(callback)} cannot be called; give a function of one argument, "
                "the Block, or a native function (voicecoil.NativeCallback)"
            )
        if make_code is None and native is None and name is None:
            _check_takes_a_block(callback)
        if native is not None:
            check_native(native, parameters, results)
        self._parameters = Record("parameters", parameters, True) if parameters else None
        self._results = Record("results", results, False) if results else None
        own_home = make_code is not None or native is not None or name is not None
        check_home(home, own_home, zero_copy)
        rate = check_samplerate(samplerate)
        block_frames = check_blocksize(blocksize)
        policy = check_on_device_lost(on_device_lost)
        uninterrupted(
            "open",
            lambda: self._open(
                callback,
                driver,
                device,
                channels,
                (rate, block_frames, policy),
                (home, own_home, bool(zero_copy), bool(meter), arrays),
                (make_code, native, name),
            ),
            undo=Connection.close_unseen,
        )

    def _open(
        self,
        callback: Callback | Any,
        driver: str | Driver | None,
        device: str | Device | None,
        channels: Any,
        asked: tuple[float | None, int | None, OnDeviceLost],
        how: tuple[Home, bool, bool, bool, str],
        kinds: tuple[CodeFactory | None, Any, str | None],
    ) -> Connection:
        """What can be interrupted nowhere; all of it has been checked."""
        rate, block_frames, policy = asked
        home, own_home, zero_copy, meter, arrays = how
        make_code, native, name = kinds
        self._driver = get_driver(driver, waits=policy != "stop")
        driver_stream = None
        code: _core.Code | None = None
        holding = self._driver
        try:
            with holding.held() if isinstance(holding, HoldingDriver) else contextlib.nullcontext():
                self._first_device, is_there = find_or_await(
                    device, self._directions, self._driver, policy
                )
                maps = self._channel_maps(channels)
                if not is_there:
                    got = absent_got(rate or self._device.samplerate)
                else:
                    wanted = Wanted(self._device, *maps, samplerate=rate, block_frames=block_frames)
                    driver_stream = self._driver.open_stream(wanted)
                    got = driver_stream.got
            if rate is not None and got.samplerate != rate and make_code is None:
                raise ArgumentError(
                    f"samplerate={rate:g} Hz; {self._device.name!r} runs at {got.samplerate:g} Hz "
                    + got.rate_note
                )
            self._maps = maps
            self._first_got = got
            self._blocksize = block_frames
            on_io_thread = home == "low" or own_home
            if not on_io_thread:
                self._blocksize = blocks_ahead(block_frames, got)
            self._zero_copy = zero_copy
            self._meter = meter or make_code is not None
            if make_code is not None:
                code = make_code(got, len(maps[0]), len(maps[1]))
            elif native is not None:
                code = native_code(native, self._parameters)
            elif name is not None:
                code = self._isolated_code(name)
            else:
                code = self._python_code(callback, arrays)
            self._code = code
            clock = driver_stream.clock if driver_stream is not None else None
            if on_io_thread and name is None and isinstance(code, _core.PythonCode):
                code.preempt()
            if not on_io_thread:
                self._ahead = Ahead(
                    code,
                    home,
                    got,
                    clock is not None,
                    (len(maps[0]), len(maps[1])),
                    self._blocksize or 0,
                )
            engine = self._engine(self._ahead.worker if self._ahead else code, clock, arrays)
            recovery = None
            if policy != "stop":
                blocks = block_frames or got.device_frames or None
                recovery = Recovery(policy, self._driver, maps, got.samplerate, blocks)
            place = Place(self._first_device, got, driver_stream)
            connection = Connection(self._driver, place, code, engine, recovery, self._ahead)
            exit_and_fork.register(connection)
            if isinstance(code, IsolatedCode):
                code.keeper.adopt()
            self._connection = connection
            return connection
        except BaseException:
            if driver_stream is not None:
                driver_stream.close()
            if isinstance(code, IsolatedCode):
                code.clear()
            raise

    def __init_subclass__(cls, **options: Any) -> None:
        """Gives each kind of stream a constructor that Python's own errors call by its name."""
        super().__init_subclass__(**options)
        if StreamBase in cls.__bases__ and "__init__" not in vars(cls):
            base = StreamBase.__init__
            own = FunctionType(base.__code__, base.__globals__, base.__name__)
            own.__kwdefaults__, own.__annotations__ = base.__kwdefaults__, base.__annotations__
            own.__qualname__ = f"{cls.__qualname__}.__init__"
            cls.__init__ = own  # type: ignore[method-assign]

    # ---- opening ----

    def _channel_maps(self, channels: Any) -> tuple[list[int], list[int]]:
        maps: dict[str, list[int]] = {"input": [], "output": []}
        for direction in self._directions:
            maps[direction] = channel_map(
                channels, self._device, direction, self._default(direction)
            )
        return maps["input"], maps["output"]

    @staticmethod
    def _default(direction: Direction) -> int | None:
        return 2 if direction == "output" else None

    def _shapes(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Shape (frames, channels) of each direction's block."""
        frames = _core.block_frames(self._blocksize or 0, self._got.device_frames)
        inputs, outputs = (len(channels) for channels in self._maps)
        return (frames, inputs) if inputs else None, (frames, outputs) if outputs else None

    def _isolated_code(self, name: str) -> IsolatedCode:
        return IsolatedCode(
            name,
            *self._shapes(),
            self._got.samplerate,
            self._zero_copy,
            self._parameters,
            self._results,
        )

    def _python_code(self, callback: Callback, arrays: str) -> _core.PythonCode:
        inputs, outputs = self._shapes()
        memories = (
            _block.memory(*inputs, True) if inputs else None,
            _block.memory(*outputs, False) if outputs else None,
        )
        return _core.PythonCode(
            callback,
            [None if memory is None else _view(memory, arrays) for memory in memories],
            memories,
            self._got.samplerate,
            self._zero_copy,
            (Stop, EscapedBlockError, CallbackResultError),
            self._parameters.callback_side() if self._parameters else None,
            self._results.callback_side() if self._results else None,
        )

    def _engine(self, code: _core.Code, clock: _core.Clock | None, arrays: str) -> _core.Engine:
        got = self._got
        flags = _core.METER if self._meter else 0
        if self._zero_copy:
            packed = arrays == "memoryview" or isinstance(code, _core.NativeCode)
            flags |= _core.ZERO_COPY | (_core.PACKED if packed else 0)
        return _core.Engine(
            code,
            input_channels=len(self._maps[0]),
            output_channels=len(self._maps[1]),
            # Ahead, the lead makes blocks of the cycles as they come.
            block_frames=0 if self._ahead else self._blocksize or 0,
            device_frames=0 if self._ahead else got.device_frames,
            samplerate_hz=got.samplerate,
            flags=flags,
            clock=clock,
        )

    # ---- what it does ----

    def start(self) -> None:
        """Makes the device call the callback.

        Raises
        ------
        StreamStateError
            It runs already, or this is its own callback.
        DeviceLostError, DriverError
            The device cannot be started.
        """
        connection = self._alive()
        if connection.in_callback:
            raise StreamStateError("the stream runs already; stop() it first")
        uninterrupted("start", connection.start, undo=lambda run: connection.halt(HALT_S, run))

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the stream ends by itself: `Stop`, an exception, or a lost device.

        A lost device ends it only with ``on_device_lost="stop"``, or when the stream cannot go on
        with what there is.

        Parameters
        ----------
        timeout : float or None
            s; None: for ever.

        Returns
        -------
        bool
            True: it has ended (or never ran) and its last frame was heard. False: `timeout` passed.

        Raises
        ------
        Exception
            What the callback raised, with its traceback, once.
        DeviceLostError
            The device went away.
        """
        connection = self._alive()
        seconds = check_timeout(timeout)
        self._refuse_in_callback(connection, "wait for its own end")
        until = None if seconds is None else time.monotonic() + seconds
        run = connection.run
        trouble = None
        while not connection.is_over(run):
            connection.failure.ask()
            if (trouble := connection.trouble()) is not None:
                connection.take_failure()
                break
            left_s = LOOK_S if until is None else until - time.monotonic()
            if left_s <= 0:
                return False
            connection.wait_finished(min(left_s, LOOK_S))
        uninterrupted("wait", lambda: connection.halt(STOP_TIMEOUT_S, run))
        self._raise_once(connection)
        if (failure := trouble or connection.take_failure()) is not None:
            raise failure
        return True

    def stop(self) -> None:
        """Ends the stream after the current block and waits until that block was heard.

        When it returns, no callback runs or will run. In a callback it asks for the end and returns
        at once.

        Raises
        ------
        Exception
            What the callback raised, with its traceback, once.
        StreamTimeoutError
            The callback did not return within 5 s.
        """
        self._end(drain=True)

    def abort(self) -> None:
        """Like :meth:`stop`, without waiting for the current block to be heard."""
        self._end(drain=False)

    def _end(self, drain: bool) -> None:
        connection = self._alive()
        run = connection.run
        if _core.in_callback():  # this stream's, or another's on the same IO thread
            connection.ask_to_end(drain, run)
            return
        uninterrupted(
            "stop",
            lambda: self._end_run(connection, run, drain),
            hurry=lambda: connection.ask_to_end(False, run),
        )
        self._raise_once(connection)

    def _end_run(self, connection: Connection, run: int, drain: bool) -> None:
        connection.ask_to_end(drain, run)
        connection.look()
        began = time.monotonic()
        tail_s = self.lead_frames / self.samplerate
        if "output" in self._directions and connection.started:
            tail_s += self._got.latency("output").seconds
        until = began + tail_s + STOP_TIMEOUT_S
        # A stepped clock stands still unless somebody moves it: nothing will come to an end by
        # itself.
        while (
            connection.started
            and not connection.is_over(run)
            and not connection.stands_still
            and connection.device_trouble() is None
            and time.monotonic() < until - HALT_S
        ):
            time.sleep(POLL_S)
        over = connection.is_over(run)
        failure = connection.take_failure()
        trouble = failure if over else connection.trouble()
        try:
            connection.halt(max(HALT_S, until - time.monotonic()), run)
        except StreamTimeoutError:
            connection.told_stuck = not connection.is_busy
            if not connection.in_python:
                raise
            raise StreamTimeoutError(
                f"the callback on {self._device.name!r} did not return within "
                f"{time.monotonic() - began:.2g} s; it has to return before the next block is due"
            ) from None
        if trouble is not None:
            connection.keep_unraised(trouble)

    def swap(self, callback: Any) -> None:
        """From its next block on another native function, without a gap. One thread at a time.

        Parameters
        ----------
        callback : native function
            As for the stream that was opened with one; `parameters` stay as they are.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            It is not native, or cannot be used.
        StreamStateError
            The stream was opened with a callback that is not native.
        """
        self._alive()
        if not isinstance(self._code, _core.NativeCode):
            raise StreamStateError(
                "only a native callback can be exchanged; a Python one can call what it likes"
            )
        native = as_native(callback)
        if native is None:
            raise ArgumentTypeError(
                f"callback={shown(callback)} is not native; give a voicecoil.NativeCallback"
            )
        check_native(native, {"": 0} if self._parameters else None, None)
        self._code.swap(native.address, native.user, native.keep)

    def close(self) -> None:
        """Ends the stream at once and gives the device back. The second time does nothing.

        In a callback it is done as soon as the callback has returned. What the stream's callback
        raised and nobody has seen yet is raised.
        """
        connection = self._connection
        if connection is None or connection.closed or exit_and_fork.forked(self._generation):
            return
        if _core.in_callback():
            connection.ask_to_end(drain=False)
            exit_and_fork.submit(connection.close_unseen)
            return
        uninterrupted("close", connection.close)
        self._raise_once(connection)

    def close_at_exit(self, timeout_s: float) -> None:
        """For those who end together with a stream of theirs."""
        connection = self._connection
        if connection is not None and not exit_and_fork.forked(self._generation):
            connection.close_at_exit(timeout_s)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()  # there will be no `__exit__`
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            return
        if error is not None:
            uninterrupted("close", connection.close)
            unseen = connection.take_unraised()
            if unseen is not None and unseen is not error:
                error.add_note(f"the stream's callback had raised {unseen!r}")
            return
        try:
            self.stop()
        except StreamTimeoutError:
            if connection.is_busy:
                exit_and_fork.submit(connection.close_unseen)  # when the other thread is through
                raise
            # To close it would only wait once more, and say it again.
            uninterrupted("abandon", connection.abandon)
            raise
        except BaseException:
            self.close()
            raise
        self.close()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is None or connection.closed or exit_and_fork is None:
            return  # without the module Python has ended, and `close_at_exit` has been
        if exit_and_fork.forked(self._generation):
            return
        exit_and_fork.submit(connection.close_unseen)

    def _refuse_in_callback(self, connection: Connection, what: str) -> None:
        if connection.in_callback:
            raise StreamStateError(
                f"a callback cannot {what}; raise voicecoil.Stop to end the stream"
            )

    def _raise_once(self, connection: Connection) -> None:
        error = connection.take_unraised()
        if error is not None:
            raise error


def _check_takes_a_block(callback: Any) -> None:
    """Before there is a device, and not in its first block."""
    why = why_unsuitable(callback)
    if why is not None:
        raise ArgumentTypeError(f"callback={shown(callback)} is {why}")
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):
        return  # not every builtin has one
    try:
        signature.bind(None)
    except TypeError:
        name = getattr(callback, "__qualname__", None) or type(callback).__name__
        raise ArgumentTypeError(
            f"callback={shown(callback)} is {name}{signature}; it is called with one argument, "
            "the Block"
        ) from None


class CodeFactory:
    """Internal code instead of a callback: called with what the device gave."""

    def __init__(self, make: Callable[[Got, int, int], _core.Code]) -> None:
        self._make = make

    def __call__(self, got: Got, inputs: int, outputs: int) -> _core.Code:
        return self._make(got, inputs, outputs)


def _view(memory: Any, arrays: str) -> Any:
    if arrays == "memoryview":
        return memoryview(memory)
    import numpy as np

    return np.asarray(memory)
