"""The change of a running stream from a lost device to another device, or to none.

`recovery` calls these functions on its threads. ``core/move.c`` adapts the engine to the device.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from voicecoil import _core
from voicecoil.drivers.protocol import DriverStream
from voicecoil.errors import VoicecoilError
from voicecoil.lifetime import exit_and_fork
from voicecoil.streams.recovery import OpenedDevice, Recovery

if TYPE_CHECKING:
    from voicecoil.streams.lifecycle import StreamConnection

__all__ = ["find_device", "leave_device", "start_device", "stop_soon"]


def start_device(connection: StreamConnection, driver_stream: DriverStream) -> None:
    """Starts the device, and lets the worker join its workgroup, which may be new now."""
    driver_stream.start(connection.engine)
    if connection.worker is not None:
        connection.worker.join_group(driver_stream.workgroup())


def stop_soon(connection: StreamConnection, run: int, timeout_s: float) -> None:
    """Stops the lost device of a run that has ended. Never waits: a thread of its own does it.

    Otherwise the stream would keep the device started until the program closes the stream. Some
    devices start again, after sleep for example, only when no stream has them started.
    """
    exit_and_fork.submit(partial(_stop, connection, run, timeout_s))


def _stop(connection: StreamConnection, run: int, timeout_s: float) -> None:
    if not connection.lock.acquire(timeout=timeout_s):
        return  # another thread is stopping the stream
    try:
        driver_stream = connection.driver_stream
        if connection.started and run == connection.run and driver_stream is not None:
            # If the callback is stuck, `stop` or `close` tries again, and raises the error.
            with contextlib.suppress(VoicecoilError):
                driver_stream.stop(timeout_s)
    finally:
        connection.lock.release()


def leave_device(
    connection: StreamConnection, recovery: Recovery, trouble: Exception, timeout_s: float
) -> None:
    """Leaves a device that is lost. The stream then waits for a device, or has ended."""
    if not connection.lock.acquire(blocking=False):
        return  # another thread is starting or stopping the stream
    try:
        driver_stream = connection.driver_stream
        if not connection.started or driver_stream is None:
            return
        try:
            driver_stream.stop(timeout_s)
        except VoicecoilError:
            return  # the callback is stuck; `stop` or `close` raises the error
        connection.device.tell_loss(driver_stream, trouble)
        # If the run was about to end, there is no reason to continue on another device. The frames
        # that were not heard yet are lost with the device.
        goes_on = not connection.ending and connection.engine.state == _core.RUNNING
        # Left first, so that a program that sees the state "waiting" sees no device.
        connection.device.leave(driver_stream)
        connection.device_stopped("away" if goes_on else "idle")
        recovery.lost(trouble)
    finally:
        connection.lock.release()
    driver_stream.close()  # without the lock, because it may take long


def find_device(connection: StreamConnection, recovery: Recovery, timeout_s: float) -> None:
    """Looks once for a device on which the stream can continue."""
    for opened in recovery.open_candidates(connection.device.current.device):
        if _settle(connection, recovery, opened, timeout_s):
            return
    if recovery.refusal is not None:
        connection.fail(recovery.refusal)


def _settle(
    connection: StreamConnection, recovery: Recovery, opened: OpenedDevice, timeout_s: float
) -> bool:
    """Continues on the opened device. Returns False if the device does not start."""
    driver_stream, device = opened.driver_stream, connection.device
    with connection.lock:
        if connection.closed or not connection.away:
            driver_stream.close()
            return True
        device.clock = driver_stream.clock
        back = device.event("back", opened.device.name)
        try:
            if not _start_on(connection, opened, timeout_s):
                driver_stream.close()
                return False
        except Exception as error:
            driver_stream.close()
            if isinstance(error, (VoicecoilError, OSError)):
                return False
            raise
        if connection.closed:  # another thread has abandoned the stream meanwhile
            driver_stream.stop(timeout_s)
            driver_stream.close()
            return True
        device.enter(opened.device, opened.opened_format, driver_stream)
        recovery.settled()
        device.news.append(back)
        connection.phase = "started"
        return True


def _start_on(connection: StreamConnection, opened: OpenedDevice, timeout_s: float) -> bool:
    """Starts the engine on the device. Returns False if the worker's callback did not return."""
    driver_stream, opened_format = opened.driver_stream, opened.opened_format
    worker = connection.worker
    if worker is not None:
        if not worker.fit(opened_format, driver_stream.clock is not None, timeout_s):
            return False
        connection.code = worker.program_code
        period_frames = 0  # cycles may have any length, because the lead divides them into blocks
    else:
        period_frames = opened_format.period_frames or 0
    if connection.ending:
        connection.ask_to_end(drain=False)  # the end was requested while the worker was restarted
    connection.engine.move(
        opened.input_map,
        opened.output_map,
        period_frames=period_frames,
        clock=driver_stream.clock,
        samplerate_hz=0.0 if opened_format.converted_hz else opened_format.samplerate,
        device_hz=opened_format.converted_hz or 0.0,
        code=worker.code if worker is not None else None,
    )
    start_device(connection, driver_stream)
    return True
