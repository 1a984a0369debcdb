"""Report of what became of each request of a stream on the device that it runs on."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from voicecoil.drivers.choose import why_virtual
from voicecoil.drivers.protocol import Device, Direction, Driver, NamesDriver, OpenedFormat
from voicecoil.drivers.two_devices import DevicePair, one_device
from voicecoil.printable import printable
from voicecoil.sealed import Sealed
from voicecoil.streams.channel_map import is_number, places_on
from voicecoil.wording import plural

if TYPE_CHECKING:
    from voicecoil.streams.lead import LeadWorker
    from voicecoil.streams.plan import StreamPlan
    from voicecoil.streams.priority import ThreadPriority
    from voicecoil.streams.request import StreamRequest

__all__ = ["Outcome", "Setting", "Settings", "StreamNow", "add_requests", "settings_of"]

Outcome = Literal["applied", "adjusted", "converted", "ignored", "default"]
_SHOWN: tuple[Outcome, ...] = ("converted", "adjusted", "ignored")  # in the repr of a stream


@dataclass(frozen=True)
class Setting:
    """One request of a stream, and what became of it.

    Attributes
    ----------
    name : str
        The name of the stream's argument. "priority" is the priority of the worker's thread, which
        every stream with a worker requests.
    requested : object
        The argument's value. None: the program left the choice to the library.
    actual : object
        The value in force. None: there is none, such as a device while the stream waits for one.
    outcome : {"applied", "adjusted", "converted", "ignored", "default"}
        "applied": as requested. "adjusted": another value than requested is in force. "converted":
        the program has what it requested, and the library converts because the device has something
        else. "ignored": the request has no effect here. "default": nothing was requested.
    reason : str
        Why the outcome is not simply "applied", or where the value comes from; "" if there is
        nothing to say.
    """

    name: str
    requested: Any
    actual: Any
    outcome: Outcome
    reason: str = ""

    def __str__(self) -> str:
        change = f"{setting_text(self.requested)} -> {setting_text(self.actual)}"
        reason = f": {printable(self.reason)}" if self.reason else ""
        return f"{self.name}: {change}, {self.outcome}{reason}"


class Settings(Sealed, Mapping[str, Setting]):
    """An immutable report of a stream's requests, by the name of the argument.

    ``str()`` of it is a text with one line for each request.

    Parameters
    ----------
    settings : tuple of Setting
        One for each request.
    """

    def __init__(self, settings: tuple[Setting, ...]) -> None:
        self._settings = {setting.name: setting for setting in settings}

    def __getitem__(self, name: str) -> Setting:
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __hash__(self) -> int:
        return hash(tuple(map(str, self.values())))

    def summary(self) -> str:
        """Return the names of the requests that are not simply in force, by their outcome.

        Returns
        -------
        str
            Such as ``converted: samplerate; ignored: name``. Empty if there are none.
        """
        found = {kind: [s.name for s in self.values() if s.outcome == kind] for kind in _SHOWN}
        return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in found.items() if names)

    def __str__(self) -> str:
        return "\n".join(map(str, self.values()))

    def __repr__(self) -> str:
        return f"<Settings of {plural(len(self), 'request')}: {self.summary() or 'as requested'}>"

    def _repr_html_(self) -> str:
        from voicecoil.notebook import html_table

        headings = ("setting", "requested", "actual", "outcome", "reason")
        return html_table(
            headings,
            [
                (s.name, setting_text(s.requested), setting_text(s.actual), s.outcome, s.reason)
                for s in self.values()
            ],
        )


def setting_text(value: object) -> str:
    """Return the value of a setting for a reader: ``-`` for None, and a device's name."""
    if value is None:
        return "-"
    if isinstance(value, Device):
        return printable(repr(value.name))
    return f"{value:g}" if isinstance(value, float) else printable(repr(value))


@dataclass(frozen=True)
class StreamNow:
    """The state of a stream that its settings depend on.

    Attributes
    ----------
    device : Device
    opened_format : OpenedFormat
        The device that the stream is on, or was on last, and its format.
    waits : bool
        Whether the stream waits for a device.
    worker : LeadWorker or None
    copied_blocks : int
        Blocks of a stream with ``zero_copy`` that were copied.
    priority : ThreadPriority or None
        None: there is no worker.
    """

    device: Device
    opened_format: OpenedFormat
    waits: bool
    worker: LeadWorker | None
    copied_blocks: int
    priority: ThreadPriority | None


def settings_of(plan: StreamPlan, now: StreamNow, directions: tuple[Direction, ...]) -> Settings:
    """Return the settings of a stream in its present state."""
    request = plan.request
    found = [
        _driver(request, plan.driver),
        _device(plan, now),
        _samplerate(plan, now),
        *_rate_policy(plan, now),
        *_channels(plan, now, directions),
        _dtype(request),
        _blocksize(plan, now),
        _latency(plan, now, directions),
        _max_lead(request, now),
        _zero_copy(request, now),
        _arrays(request),
        _priority(now),
        Setting("on_device_lost", request.on_device_lost, request.on_device_lost, "applied"),
        _name(request, plan.driver, now.device),
        Setting("connect", request.connect, request.connect, "applied"),
    ]
    return Settings(tuple(found))


def _driver(request: StreamRequest, driver: Driver) -> Setting:
    if request.driver is not None:
        return Setting("driver", _name_of_driver(request.driver), driver.name, "applied")
    why = why_virtual() if driver.name == "virtual" else None
    return Setting("driver", None, driver.name, "default", why or "")


def _name_of_driver(driver: str | Driver) -> str:
    return driver if isinstance(driver, str) else driver.name


def _device(plan: StreamPlan, now: StreamNow) -> Setting:
    requested, device = plan.request.device, now.device
    if now.waits:
        what = f"{device.name!r} is lost" if device.uid else "there is no device yet"
        return Setting("device", requested, None, "adjusted", f"{what}; the stream waits for one")
    if plan.device.uid and device.uid != plan.device.uid:
        reason = f"{plan.device.name!r} was lost, and on_device_lost allows the default device"
        return Setting("device", requested, device, "adjusted", reason)
    if isinstance(device, DevicePair):
        reason = (
            f"the input of {device.input.name!r} is resampled to the clock of "
            f"{device.output.name!r}"
        )
        return Setting("device", requested, device, "converted", reason)
    if requested is None:
        return Setting("device", None, device, "default", "the system's default device")
    return Setting("device", requested, device, "applied")


def _samplerate(plan: StreamPlan, now: StreamNow) -> Setting:
    requested, actual = plan.request.samplerate, plan.samplerate
    opened, listed_hz = now.opened_format, now.device.samplerate
    device_hz = opened.converted_hz or opened.samplerate
    if _converts(plan, now):
        reason = f"{now.device.name!r} runs at {device_hz:g} Hz"
        return Setting("samplerate", requested, actual, "converted", reason)
    if requested is None:
        return Setting("samplerate", None, actual, "default", "the rate at which the device runs")
    if requested != actual:
        reason = f"{now.device.name!r} runs at this rate"
        return Setting("samplerate", requested, actual, "adjusted", reason)
    reason = f"the device was listed at {listed_hz:g} Hz" if listed_hz != actual else ""
    return Setting("samplerate", requested, actual, "applied", reason)


def _converts(plan: StreamPlan, now: StreamNow) -> bool:
    """Whether the stream converts between its rate and that of the device."""
    if now.worker is not None:
        converter = now.worker.converter
        return converter is not None and converter.conversion.is_needed
    return now.opened_format.converted_hz is not None


def _rate_policy(plan: StreamPlan, now: StreamNow) -> Iterator[Setting]:
    request = plan.request
    wish, quality = request.device_rate, request.conversion_quality
    yield Setting("device_rate", wish, wish, "applied")
    if _converts(plan, now) and now.worker is not None:
        yield Setting("conversion_quality", quality, quality, "applied")
        return
    reason = "no rate is converted"
    if _converts(plan, now):
        reason = "the conversion on the device's thread has one quality"
    elif isinstance(now.device, DevicePair):
        reason = (
            "the drift correction resamples the input to the output's clock, and has one quality"
        )
    if quality == "HQ":  # the default of the argument
        yield Setting("conversion_quality", None, None, "default", reason)
    else:
        yield Setting("conversion_quality", quality, None, "ignored", reason)


def _channels(
    plan: StreamPlan, now: StreamNow, directions: tuple[Direction, ...]
) -> Iterator[Setting]:
    request, places = plan.request.channels, places_on(plan.places, now.device)
    for direction in directions:
        given = request.input if direction == "input" else request.output
        used = tuple(places[0] if direction == "input" else places[1])
        name = f"{direction}_channels" if len(directions) > 1 else "channels"
        asked = given if given is None else _listed(given)
        missing = sum(place is None for place in used)
        listed = ", ".join("none" if place is None else str(place) for place in used)
        reason = f"the device's channels {listed}"
        if missing:
            lost = "silent" if direction == "input" else "dropped"
            reason += f"; {plural(missing, 'channel')} that it does not have: {lost}"
        elif isinstance(asked, tuple) and asked != used:
            reason += ", because it does not have all requested channels"
        changed = missing or (isinstance(asked, tuple) and asked != used)
        outcome: Outcome = "adjusted" if changed else "default" if asked is None else "applied"
        yield Setting(name, asked, used, outcome, reason)


def _listed(channels: Any) -> int | tuple[int, ...]:
    """Return a number of channels as an int, and a list of channels as a tuple of ints."""
    if is_number(channels):
        return operator.index(channels)
    return tuple(operator.index(channel) for channel in channels)


def _dtype(request: StreamRequest) -> Setting:
    dtype = request.dtype
    if dtype == "float32":
        return Setting("dtype", dtype, dtype, "applied")
    return Setting("dtype", dtype, dtype, "converted", "the streams of the drivers are float32")


def _blocksize(plan: StreamPlan, now: StreamNow) -> Setting:
    requested, actual = plan.request.block_frames, plan.constant_block_frames
    opened = now.opened_format
    cycle = opened.typical_period_frames
    if opened.period_frames is not None:
        reason = f"the device's cycles have {plural(opened.period_frames, 'frame')}"
    elif cycle is not None:
        reason = f"the device's cycles vary, and most have {plural(cycle, 'frame')}"
    else:
        reason = "the length of the device's cycles varies"
    return Setting("blocksize", requested, actual, "applied" if requested else "default", reason)


def _latency(plan: StreamPlan, now: StreamNow, directions: tuple[Direction, ...]) -> Setting:
    requested = plan.request.latency_mode
    if now.worker is None:
        # "safe" requests that a busy program does not make the callback late. That holds for native
        # and isolated callbacks without a lead, so the outcome is "applied".
        kind = plan.request.kind
        where = "the callback" if kind == "python" else f"{_KINDS[kind]}, which needs no lead,"
        return Setting("latency", requested, 0.0, "applied", f"{where} runs on the IO thread")
    frames = now.worker.lead_frames
    rate = now.opened_format.samplerate
    seconds = frames / rate
    reason = f"the callback runs on a worker, {plural(frames, 'frame')} ahead of the device"
    if "output" not in directions:
        # Input waits for the worker only while the worker is late, so it gets no latency.
        reason = (
            f"the callback runs on a worker, which may be {plural(frames, 'frame')} late without "
            "a loss"
        )
    if isinstance(requested, float) and abs(seconds - requested) * rate >= 1:
        varies = now.opened_format.period_frames is None
        least = "at least the longest cycle" if varies else "a whole number of cycles"
        reason += f", because a lead is {least}"
        return Setting("latency", requested, seconds, "adjusted", reason)
    first = now.worker.first_lead_frames
    if frames > first and requested == "safe":
        reason += f"; it was {plural(first, 'frame')}, and grew because the callback was late"
        return Setting("latency", requested, seconds, "adjusted", reason)
    return Setting("latency", requested, seconds, "applied", reason)


def _max_lead(request: StreamRequest, now: StreamNow) -> Setting:
    seconds = request.max_lead_s
    if now.worker is None or request.latency_mode != "safe":
        reason = "the lead is constant" if now.worker else "the callback has no lead"
        return Setting("max_lead_s", None, None, "default", reason)
    return Setting("max_lead_s", seconds, seconds, "applied")


_KINDS = {
    "native": "a native callback",
    "isolated": "an isolated callback",
    "internal": "compiled code",
}


def _zero_copy(request: StreamRequest, now: StreamNow) -> Setting:
    asked = request.zero_copy
    if not asked or not now.copied_blocks:
        return Setting("zero_copy", asked, asked, "applied")
    blocks = plural(now.copied_blocks, "block")
    reason = f"the device's memory was not a single array: {blocks} had to be copied"
    return Setting("zero_copy", True, False, "adjusted", reason)


def _arrays(request: StreamRequest) -> Setting:
    asked, actual = request.arrays, request.block_arrays
    if actual == asked:
        return Setting("arrays", asked, actual, "applied")
    if actual is None:
        reason = f"{_KINDS[request.kind]} gets no Python arrays"
        # "numpy" is the default of the argument, so that it is no request here.
        if asked == "numpy":
            return Setting("arrays", None, None, "default", reason)
        return Setting("arrays", asked, None, "ignored", reason)
    reason = "NumPy cannot be imported in the interpreter of an isolated callback"
    return Setting("arrays", asked, actual, "adjusted", reason)


def _priority(now: StreamNow) -> Setting:
    if now.priority is None or now.worker is None:
        reason = "the audio system sets the priority of the IO thread"
        return Setting("priority", None, None, "default", reason)
    error = now.worker.code.thread[2]
    if now.priority.policy == "ordinary" and not error:
        return Setting("priority", None, "ordinary", "default", now.priority.detail)
    outcome: Outcome = "applied" if now.priority.is_realtime else "adjusted"
    return Setting("priority", "realtime", now.priority.policy, outcome, now.priority.detail)


def _name(request: StreamRequest, driver: Driver, device: Device) -> Setting:
    asked, name = request.given_name, request.name
    shows = isinstance(driver, NamesDriver) and driver.shows_names(one_device(device, "output"))
    if shows:
        return Setting("name", asked, name, "default" if asked is None else "applied")
    reason = "this audio system shows no names of streams"
    return Setting("name", asked, None, "default" if asked is None else "ignored", reason)


def add_requests(
    error: BaseException,
    request: StreamRequest,
    directions: tuple[Direction, ...],
    device: Device,
) -> None:
    """Add a note to an error at opening: the requests, and what the device has.

    A traceback shows the note below the error's message.
    """
    note = (
        f"requested: {_requests_text(request, directions)}; {printable(device.name)!r} has "
        f"{plural(device.input_channels, 'input')} and {plural(device.output_channels, 'output')}, "
        f"and was listed at {device.samplerate:g} Hz"
    )
    # A driver may raise one error object several times.
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _requests_text(request: StreamRequest, directions: tuple[Direction, ...]) -> str:
    """Return the requests that are not the defaults, for a message."""
    channels = {
        f"{way}_channels" if len(directions) > 1 else "channels": getattr(request.channels, way)
        for way in directions
    }
    given: dict[str, Any] = {
        "device": request.device,
        "driver": None if request.driver is None else _name_of_driver(request.driver),
        "samplerate": request.samplerate,
        "device_rate": None if request.device_rate == "keep" else request.device_rate,
        **channels,
        "blocksize": request.block_frames,
        "latency": None if request.latency_mode == "safe" else request.latency_mode,
        "zero_copy": request.zero_copy or None,
        "dtype": None if request.dtype == "float32" else request.dtype,
        "on_device_lost": None if request.on_device_lost == "stop" else request.on_device_lost,
        "name": request.given_name,
        "connect": None if request.connect else False,
    }
    listed = [f"{name}={setting_text(value)}" for name, value in given.items() if value is not None]
    return ", ".join(listed) or "no argument but the callback"
