"""Opens the device that a stream requests, and makes a connection that can be started."""

from __future__ import annotations

import contextlib
from functools import partial

from voicecoil import _core
from voicecoil.callbacks.isolated import IsolatedCode
from voicecoil.callbacks.native import native_code
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import (
    Device,
    Direction,
    Driver,
    DriverStream,
    OpenRequest,
    PortsDriver,
    RatesDriver,
    SharedSessionDriver,
)
from voicecoil.drivers.two_devices import open_stream as open_stream_on
from voicecoil.errors import (
    ArgumentError,
    VoicecoilError,
)
from voicecoil.lifetime import exit_and_fork
from voicecoil.sample_types import format_number
from voicecoil.streams.channel_map import channels_of
from voicecoil.streams.lead import LeadWorker
from voicecoil.streams.lifecycle import StreamConnection
from voicecoil.streams.plan import StreamPlan, make_plan
from voicecoil.streams.played import Playing
from voicecoil.streams.rate_choice import asks_for_rate, at_rate, check_other_rate
from voicecoil.streams.recovery import Recovery, find_or_await, unknown_format
from voicecoil.streams.request import CodeSource, StreamRequest
from voicecoil.streams.settings import add_requests
from voicecoil.streams.silence import InputSilence
from voicecoil.streams.stream_device import CurrentDevice
from voicecoil.streams.worker_code import RAISED, views, worker_code

__all__ = ["open_stream"]


def open_stream(
    request: StreamRequest,
    source: CodeSource,
    directions: tuple[Direction, ...],
) -> tuple[StreamPlan, StreamConnection]:
    """Open the device and make everything that runs on it. Nothing is started.

    Parameters
    ----------
    request : StreamRequest
    source : CodeSource
        The callback that belongs to the request.
    directions : tuple of {"input", "output"}

    Raises
    ------
    VoicecoilError
        The errors of the constructors of streams. Everything that was opened before is closed.
    """
    plan, driver_stream = _open_device(request, directions)
    code: _core.Code | None = None
    try:
        code = _make_code(plan, source)
        worker = None
        if request.on_io_thread:
            if request.kind == "python" and isinstance(code, _core.PythonCode):
                code.preempt()
        else:
            assert isinstance(code, _core.PythonCode)
            worker = LeadWorker(
                partial(worker_code, code, plan),
                request.latency_mode,
                plan.opened_format,
                plan.waited_for,
                plan.channels,
                request.max_lead_s,
            )
            code = worker.program_code
        connection = StreamConnection(
            plan.driver,
            CurrentDevice(plan.device, plan.opened_format, driver_stream),
            code,
            _make_engine(plan, code, worker),
            _make_recovery(plan, source),
            worker,
        )
        # A measurement has a time of silence of its own, and no stream may be opened beside it.
        measures = request.kind == "internal" and plan.places.outputs > 0
        if plan.places.inputs and not measures:
            connection.device.silence = InputSilence(
                plan.driver, plan.places, "input_channels" if plan.places.outputs else "channels"
            )
        if plan.places.outputs:
            may_move = request.on_device_lost != "stop"
            connection.playing = Playing(
                plan.driver,
                plan.places,
                connection.device,
                connection.engine,
                connection,
                may_move,
            )
        exit_and_fork.register(connection)
        if isinstance(code, IsolatedCode):
            code.keeper.adopt()
        return plan, connection
    except BaseException:
        if driver_stream is not None:
            driver_stream.close()
        if isinstance(code, IsolatedCode):
            code.clear()
        raise


def _open_device(
    request: StreamRequest, directions: tuple[Direction, ...]
) -> tuple[StreamPlan, DriverStream | None]:
    policy, rate = request.on_device_lost, request.samplerate
    driver = get_driver(request.driver, waits=policy != "stop")
    driver_stream: DriverStream | None = None
    device: Device | None = None
    try:
        session = (
            driver.shared_session()
            if isinstance(driver, SharedSessionDriver)
            else contextlib.nullcontext()
        )
        with session:
            device, is_there = find_or_await(request.device, directions, driver, policy)
            _check_connect(request, driver, device)
            places = channels_of(request.channels, device, directions)
            if is_there:
                open_request = OpenRequest(
                    device,
                    places.input_map,
                    places.output_map,
                    samplerate=rate if asks_for_rate(request.device_rate, driver) else None,
                    block_frames=_preferred_frames(request, driver, device),
                    name=request.name,
                    connect=request.connect,
                )
                driver_stream = open_stream_on(driver, open_request)
                opened_format = driver_stream.opened_format
            else:
                opened_format = unknown_format(rate or device.samplerate)
        if rate is not None and opened_format.samplerate != rate:
            check_other_rate(request, driver, device, opened_format)
        device = at_rate(device, driver, opened_format)
        clock = driver_stream.clock if driver_stream is not None else None
        return make_plan(request, driver, device, opened_format, places, clock), driver_stream
    except BaseException as error:
        if driver_stream is not None:
            driver_stream.close()
        # An ArgumentError names its argument and what is possible. The messages of other errors are
        # those of the audio system, which do not.
        says_nothing = isinstance(error, VoicecoilError) and not isinstance(error, ArgumentError)
        if says_nothing and device is not None:
            add_requests(error, request, directions, device)
        raise


def _preferred_frames(request: StreamRequest, driver: Driver, device: Device) -> int | None:
    """Return the frames that the device's cycles should have, at the rate that is asked of it."""
    frames = request.block_frames
    if frames is None or request.samplerate is None or not device.samplerate:
        return frames
    if asks_for_rate(request.device_rate, driver):
        return frames
    return max(1, round(frames * device.samplerate / request.samplerate))


def _check_connect(request: StreamRequest, driver: Driver, device: Device) -> None:
    """Refuse ``connect=False`` on a device without ports, where the stream would be heard."""
    if not request.connect and not (isinstance(driver, PortsDriver) and driver.has_ports(device)):
        raise ArgumentError(
            f"connect=False; streams on {device.name!r} of the driver {driver.name!r} have no "
            'ports to connect; leave it out, or use JACK (driver="miniaudio:jack")'
        )


def _make_code(plan: StreamPlan, source: CodeSource) -> _core.Code:
    request = plan.request
    if request.kind == "internal":
        code: _core.Code = source(plan.opened_format, *plan.channels)
        return code
    if request.kind == "native":
        return native_code(source, request.parameters)
    if request.kind == "isolated":
        return IsolatedCode(
            source,
            plan.input_shape,
            plan.output_shape,
            plan.samplerate,
            request.zero_copy,
            request.parameters,
            request.results,
            format_number(request.dtype),
        )
    return _core.PythonCode(
        source,
        *views(
            plan.input_shape,
            plan.output_shape,
            request.arrays,
            format_number(request.dtype),
            request.writable_input,
        ),
        plan.samplerate,
        request.zero_copy,
        RAISED,
        request.parameters.callback_side() if request.parameters else None,
        request.results.callback_side() if request.results else None,
    )


def _make_engine(plan: StreamPlan, code: _core.Code, worker: LeadWorker | None) -> _core.Engine:
    request = plan.request
    flags = _core.METER if request.meter else 0
    if request.zero_copy:
        packed = request.block_arrays == "memoryview" or request.kind == "native"
        flags |= _core.ZERO_COPY | (_core.PACKED if packed else 0)
    inputs, outputs = plan.channels
    return _core.Engine(
        code if worker is None else worker.code,
        input_channels=inputs,
        output_channels=outputs,
        # With a worker, cycles may have any length, because the lead divides them into blocks.
        block_frames=0 if worker else plan.block_frames or 0,
        period_frames=0 if worker else plan.opened_format.period_frames or 0,
        samplerate_hz=plan.opened_format.samplerate,
        flags=flags,
        clock=plan.clock,
    )


def _make_recovery(plan: StreamPlan, source: CodeSource) -> Recovery | None:
    policy = plan.request.on_device_lost
    if policy == "stop":
        return None
    any_rate = plan.request.kind == "internal" and source.any_rate
    wish = plan.request.device_rate
    return Recovery(
        policy,
        plan.driver,
        plan.places,
        plan.opened_format.samplerate,
        plan.request.block_frames or plan.opened_format.period_frames,
        plan.request.name,
        plan.request.connect,
        plan.samplerate if asks_for_rate(wish, plan.driver) else None,
        sets_rate=wish == "set" and isinstance(plan.driver, RatesDriver),
        follows_rate=any_rate or not plan.request.on_io_thread,
    )
