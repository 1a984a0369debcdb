"""The base class of the three kinds of stream: opening, starting, waiting, ending."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from voicecoil import _core
from voicecoil.arguments import check_fade, check_timeout, shown
from voicecoil.callbacks.native import as_native, check_native
from voicecoil.errors import ArgumentTypeError, StreamStateError, StreamTimeoutError
from voicecoil.lifetime import exit_and_fork
from voicecoil.lifetime.uninterrupted import uninterrupted
from voicecoil.streams.block_reference import with_reference
from voicecoil.streams.lifecycle import HALT_S, POLL_S, STOP_TIMEOUT_S, StreamConnection
from voicecoil.streams.on_end import EndListener, OnEnd, check_on_end, refuse_never_started
from voicecoil.streams.opening import open_stream
from voicecoil.streams.properties import StreamFacts
from voicecoil.streams.request import Callback, CodeFactory, check_request
from voicecoil.streams.workgroup import WorkgroupMembership

__all__ = ["Callback", "CodeFactory", "StreamBase"]

# Interval at which `wait` checks for a lost device and for a stop by another thread, neither of
# which can wake it. Signals and the stream's own end wake it at once.
LOOK_S = 0.1
AFTER_ERROR_S = 1.0  # how long an error in a `with` block waits for the callback to return


class StreamBase(StreamFacts):
    """The base class of the three kinds of stream: opening, starting, waiting, ending."""

    def _open(
        self,
        callback: Callback | Any,
        on_end: OnEnd | None = None,
        reference: bool = False,
        **arguments: Any,
    ) -> None:
        """Open the stream; the arguments are those of the constructors."""
        self._connection: StreamConnection | None = None
        self._noticed_events = deque()
        self._generation = exit_and_fork.generation()
        request, source = check_request(callback, **arguments)
        self._request = replace(request, writable_input=self._writable_input)
        listener = check_on_end(on_end)
        referred = with_reference(reference, request, source)

        def open_it() -> StreamConnection:
            self._plan, self._connection = open_stream(
                self._request, referred or source, self._directions
            )
            assert self._connection.code is not None
            if referred is not None:
                referred.begin(self._plan.driver, self._connection)
            self._code = self._connection.code
            if listener is not None:
                self._connection.listener = EndListener(listener, self)
            return self._connection

        uninterrupted("open", open_it, undo=StreamConnection.close_unseen)

    def start(self) -> None:
        """Makes the device call the callback.

        Raises
        ------
        StreamStateError
            The stream is already running, or `start` was called in its callback.
        DeviceLostError, DriverError
            The device cannot be started.
        """
        connection = self._alive()
        if connection.in_callback:
            raise StreamStateError("the stream is already running; stop() it first")
        uninterrupted("start", connection.start, undo=lambda run: connection.halt(HALT_S, run))

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the stream ends by itself: `Stop`, an exception, or a lost device.

        A lost device ends the stream only with ``on_device_lost="stop"``, or if the stream cannot
        continue on any device that exists.

        Parameters
        ----------
        timeout : float or None
            Seconds; None: no limit.

        Returns
        -------
        bool
            True: the stream has ended and its last frame was played. False: `timeout` has passed.

        Raises
        ------
        Exception
            The exception that the callback raised, with its traceback. Raised once.
        DeviceLostError
            The device was lost.
        StreamStateError
            The stream was never started, or `wait` was called in its callback.
        """
        connection = self._alive()
        seconds = check_timeout(timeout)
        self._refuse_in_callback(connection, "wait for its own end")
        refuse_never_started(connection)
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
        self._finish_run(connection, run, trouble)
        return True

    def _finish_run(
        self, connection: StreamConnection, run: int, trouble: Exception | None
    ) -> None:
        """Stops the device after a run that has ended, and raises why it ended, once."""
        uninterrupted("wait", lambda: connection.halt(STOP_TIMEOUT_S, run))
        self._raise_once(connection)
        if (failure := trouble or connection.take_failure()) is not None:
            raise failure

    async def ended(self) -> None:
        """Waits in an asyncio task until the stream ends by itself, like :meth:`wait`.

        The event loop is not blocked. If the task is cancelled, the stream continues.

        Raises
        ------
        StreamStateError
            The stream was never started.
        Exception, DeviceLostError
            As for :meth:`wait`.
        """
        from voicecoil.lifetime.awaiting import off_the_loop
        from voicecoil.lifetime.waking import reached

        connection = self._alive()
        refuse_never_started(connection)
        run = connection.run

        def is_over() -> bool:
            connection.failure.ask()
            return connection.is_over(run) or connection.trouble() is not None

        await reached(
            connection.engine.finished_count(), period_s=connection.device.cycle_s, over=is_over
        )
        trouble = None
        if not connection.is_over(run) and (trouble := connection.trouble()) is not None:
            connection.take_failure()
        await off_the_loop(lambda: self._finish_run(connection, run, trouble))

    async def stop_async(self, fade_s: float = 0.0) -> None:
        """Ends the stream like :meth:`stop`, in an asyncio task, without blocking the event loop.

        If the task is cancelled, the stream ends like after :meth:`abort`, and the cancellation
        takes effect when it has ended. Raises the same errors as :meth:`stop`.

        Parameters
        ----------
        fade_s : float, optional
            Duration of the fade, s, as for :meth:`stop`.
        """
        from voicecoil.lifetime.awaiting import off_the_loop

        connection = self._alive()
        run = connection.run
        await off_the_loop(partial(self.stop, fade_s), lambda: connection.ask_to_end(False, run))

    async def aclose(self) -> None:
        """Closes the stream like :meth:`close`, in an asyncio task, and does not block the loop.

        A cancellation takes effect when the stream is closed. Raises the same errors as
        :meth:`close`. ``async with`` starts the stream and ends it in the same way.
        """
        from voicecoil.lifetime.awaiting import off_the_loop

        await off_the_loop(self.close)

    def stop(self, fade_s: float = 0.0) -> None:
        """Ends the stream after the current block and waits until that block was played.

        When `stop` returns, no callback runs or will run. If `stop` is called in a callback, it
        only requests the end and returns at once.

        Parameters
        ----------
        fade_s : float
            Duration of a fade, s. The output fades out along a straight line from the device's next
            cycle on, also if the callback runs ahead of the device. The callback is called until
            the fade is over. A later `stop` or `abort` ends the fade. Input has no fade.

        Raises
        ------
        Exception
            The exception that the callback raised, with its traceback. Raised once.
        StreamTimeoutError
            The callback did not return within 5 s, or within 5 s after the fade.
        """
        self._end(drain=True, fade_s=check_fade(fade_s))

    def abort(self) -> None:
        """Ends the stream like :meth:`stop`, but without waiting until the block was played."""
        self._end(drain=False)

    def _end(self, drain: bool, fade_s: float = 0.0) -> None:
        connection = self._alive()
        run = connection.run
        fade_frames = 0
        if fade_s and "output" in self._directions and connection.started:
            # The fade is made on the device's memory, so its frames are those of the device.
            device_hz = self._opened_format.samplerate
            fade_frames = min(max(1, int(fade_s * device_hz)), 2**32 - 1)
        if _core.in_callback():  # in this stream's callback, or another's on the same IO thread
            connection.ask_to_end(drain, run, fade_frames)
            return
        uninterrupted(
            "stop",
            lambda: self._end_run(connection, run, drain, fade_frames),
            hurry=lambda: connection.ask_to_end(False, run),
        )
        self._raise_once(connection)

    def _end_run(
        self, connection: StreamConnection, run: int, drain: bool, fade_frames: int
    ) -> None:
        connection.ask_to_end(drain, run, fade_frames)
        connection.look()
        began = time.monotonic()
        tail_s = self.lead_frames / self.samplerate
        if "output" in self._directions and connection.started:
            tail_s = self._latency("output").seconds
            tail_s += fade_frames / self._opened_format.samplerate
        until = began + tail_s + STOP_TIMEOUT_S
        # Do not wait for a device with a stepped clock, because no cycle comes unless the program
        # steps the clock.
        while (
            connection.started
            and not connection.is_over(run)
            and not connection.device.stands_still
            and connection.device.trouble() is None
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
            connection.failure.keep_unraised(trouble)

    def swap(self, callback: Any) -> None:
        """Exchanges the native callback without a gap, from the next block on.

        Only one thread may call it at a time.

        Parameters
        ----------
        callback : native function
            Any native function that the stream could have been opened with. The `parameters` keep
            their values.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            `callback` is not native, or cannot be used.
        StreamStateError
            The stream was opened with a callback that is not native.
        """
        self._alive()
        if not isinstance(self._code, _core.NativeCode):
            raise StreamStateError(
                "only a native callback can be exchanged; let a Python callback call another "
                "function instead"
            )
        native = as_native(callback)
        if native is None:
            raise ArgumentTypeError(
                f"callback={shown(callback)} is not native; give a voicecoil.NativeCallback"
            )
        check_native(native, {"": 0} if self._request.parameters else None, None)
        self._code.swap(native.address, native.user, native.keep)

    def workgroup(self) -> WorkgroupMembership:
        """Return a context manager in which the calling thread is in the device's workgroup.

        On macOS, threads that compute sound for a device with the deadline of its IO thread should
        be in its os_workgroup. The worker of ``latency="safe"`` is in it already. With other audio
        systems, while there is no device, and if the device has no workgroup, the block does
        nothing, and its `joined` is False. Another device has another workgroup: after an event
        "back", leave the block and enter a new one.

        Returns
        -------
        WorkgroupMembership
            For one thread; call this method in each thread.
        """
        connection = self._alive()
        return WorkgroupMembership(connection.device.workgroup)

    def close(self) -> None:
        """Ends the stream at once and releases the device. A second call does nothing.

        If it is called in a callback, the stream is closed after the callback has returned. If the
        callback raised an exception that no other method has raised yet, `close` raises it.
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
        """Closes the stream at exit, within `timeout_s`. Called by objects that own a stream."""
        connection = self._connection
        if connection is not None and not exit_and_fork.forked(self._generation):
            connection.close_at_exit(timeout_s)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()  # Python calls `__exit__` only if `__enter__` has returned
            raise
        if self._connection is not None:
            self._connection.failure.awaited = True
        return self

    async def __aenter__(self) -> Self:
        from voicecoil.lifetime.awaiting import off_the_loop

        connection = self._alive()
        try:
            return await off_the_loop(self.__enter__)
        except BaseException:  # also if the task was cancelled while the device started
            await off_the_loop(connection.close_unseen)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        from voicecoil.lifetime.awaiting import off_the_loop

        connection = self._connection
        hurry = None if connection is None else partial(connection.ask_to_end, False)
        await off_the_loop(lambda: self.__exit__(kind, error, traceback), hurry)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            return
        connection.failure.awaited = False
        if error is not None:
            self._close_after(connection, error)
            unseen = connection.failure.take_unraised()
            if unseen is not None and unseen is not error:
                error.add_note(f"the stream's callback had raised {unseen!r}")
            return
        try:
            self.stop()
        except StreamTimeoutError:
            if connection.is_busy:
                exit_and_fork.submit(connection.close_unseen)  # this waits for the other thread
                raise
            # `close` would wait for the stuck callback once more and raise the same error again.
            uninterrupted("abandon", connection.abandon)
            raise
        except BaseException:
            self.close()
            raise
        self.close()

    def _close_after(self, connection: StreamConnection, error: BaseException) -> None:
        """Closes the stream because of an error in the ``with`` block, which is raised further.

        If the callback does not return, the error gets a note. Before, a StreamTimeoutError
        replaced the error, and the same was reported again when the program ended.
        """
        try:
            uninterrupted("close", partial(connection.close, AFTER_ERROR_S))
        except StreamTimeoutError as late:
            if connection.is_busy:
                exit_and_fork.submit(connection.close_unseen)  # this waits for the other thread
            else:
                uninterrupted("abandon", connection.abandon)
            error.add_note(f"the stream could not be closed: {late}")

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is None or connection.closed or exit_and_fork is None:
            return  # Python is ending and has cleared the module; `close_at_exit` was called
        if exit_and_fork.forked(self._generation):
            return
        if connection.listener.on_end is None:
            exit_and_fork.submit(connection.close_unseen)
        else:  # the stream lives until `on_end` has been called with it
            exit_and_fork.submit(partial(_close_dropped, self, connection))

    def _refuse_in_callback(self, connection: StreamConnection, what: str) -> None:
        if connection.in_callback:
            raise StreamStateError(
                f"a callback cannot {what}; raise voicecoil.Stop to end the stream"
            )

    def _raise_once(self, connection: StreamConnection) -> None:
        error = connection.failure.take_unraised()
        if error is not None:
            raise error


def _close_dropped(stream: StreamBase, connection: StreamConnection) -> None:
    """Closes a stream that the program has dropped."""
    connection.close_unseen()
    connection.listener.note(connection, connection.run, stream)
