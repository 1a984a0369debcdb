"""``voicecoil doctor --record``: what a CoreAudio answers, as data without personal data.

The recording has the tree of objects with their properties, the statuses of calls that the
documentation leaves open (the table S2 of the simulator's specification), the times of IO cycles,
the IO threads of two runs, the threads of notifications, and the calls that follow a stop. Texts,
process IDs and bundle IDs are left out: a text is replaced by its length. The simulator takes the
devices of a recording (`description_of`) and its statuses and stops (`switches_of`), and
`differences` compares two recordings.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import enum
import json
import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicecoil import hal, raw
from voicecoil.doctor.guesses import judged_guesses
from voicecoil.doctor.notifying import threads_of_notifications
from voicecoil.doctor.stopping import calls_after_stops, record_stops, status_of, switches_of
from voicecoil.drivers.coreaudio.hal import GLOBAL, SYSTEM, selector
from voicecoil.drivers.coreaudio.status import four_characters
from voicecoil.drivers.protocol import Driver
from voicecoil.errors import VoicecoilError
from voicecoil.streams.stream import InputStream, OutputStream

if TYPE_CHECKING:
    from voicecoil.hal.connection import Connection

__all__ = ["description_of", "differences", "record_answers", "switches_of"]

FORMAT = "voicecoil-coreaudio-1"
LISTS = ("dev#", "plg#", "tmg#", "box#", "clk#")
PERSONAL = {"oink", "ppid", "pbid", "mast", "srnd"}
CODES = {"u32", "class"}  # types whose texts are four characters, and no names
MOST_OBJECTS = 2000
TIMES_S = 10.0
NO_OBJECT = 0x7FFFFFFE
NO_SELECTOR = selector("zzzz")


def record_answers(driver: str | Driver | None = None, seconds: float = TIMES_S) -> dict[str, Any]:
    """Return the answers of a CoreAudio as values for JSON.

    Parameters
    ----------
    driver : str, Driver or None
        As for `hal.connect`.
    seconds : float
        Duration of the IO whose times are recorded, s.

    Returns
    -------
    dict
        The recording.

    Raises
    ------
    DriverError
        This system has no CoreAudio.
    """
    system = hal.connect(driver)
    objects = _objects(system)
    return {
        "format": FORMAT,
        "macos": platform.mac_ver()[0] or None,
        "machine": platform.machine(),
        "objects": [_object(one, objects) for one in objects],
        "statuses": _statuses(system._connection, system),
        "io": _io(system, seconds),
    }


# ---- the tree of objects ----


def _objects(system: hal.System) -> list[hal.HalObject]:
    """All objects, each once: the system's lists, and what the objects in them own."""
    connection = system._connection

    def owned(one: hal.HalObject, lists: tuple[str, ...]) -> list[hal.HalObject]:
        def work(object_id: int) -> list[hal.HalObject]:
            ids = [i for text in lists for i in connection.reader.ids(object_id, text)]
            return connection.objects(list(dict.fromkeys(ids)), one)

        return one._on_object("listing the objects of", work)

    found: dict[hal.HalObject, None] = {system: None}
    waiting = [(system, LISTS)]
    while waiting and len(found) < MOST_OBJECTS:
        owner, lists = waiting.pop(0)
        try:
            children = owned(owner, lists)
        except VoicecoilError:
            continue  # it has gone meanwhile
        for child in children:
            if child not in found:
                found[child] = None
                waiting.append((child, ("ownd",)))  # type: ignore[arg-type]
    return list(found)


def _object(thing: hal.HalObject, objects: list[hal.HalObject]) -> dict[str, Any]:
    places = {one: number for number, one in enumerate(objects)}
    try:
        properties = thing.properties(deprecated=True)
    except VoicecoilError as error:
        return {"class": thing._class_name, "error": type(error).__name__}
    return {
        "class": thing._class_name,
        "properties": [
            {
                "selector": one.selector,
                "scope": one.scope,
                "element": one.element,
                "settable": one.settable,
                "value": _value(thing, one, places),
                "error": None if one.error is None else _status_text(one.error.code),
            }
            for one in properties
        ],
    }


def _value(thing: hal.HalObject, one: hal.PropertyValue, places: dict[hal.HalObject, int]) -> Any:
    if one.selector in PERSONAL:
        return None
    is_code = thing._row(one.selector).type in CODES and isinstance(one.value, str)
    return one.value if is_code else _plain(one.value, places)


def _plain(value: Any, places: dict[hal.HalObject, int]) -> Any:
    """A value for JSON, without texts. An object is its place in the recording."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return _plain(value.value, places)
    if isinstance(value, int | float):
        return value
    if isinstance(value, bytes | str):
        return {"length": len(value)}
    if isinstance(value, hal.HalObject):
        return {"object": places.get(value)}
    if isinstance(value, dict):
        return {"keys": len(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {one.name: _plain(getattr(value, one.name), places) for one in fields}
    if isinstance(value, list | tuple):
        return [_plain(one, places) for one in value]
    return {"type": type(value).__name__}


# ---- statuses ----


def _status_text(status: int | None) -> str | None:
    return None if status is None else "ok" if status == 0 else four_characters(status)


def _statuses(connection: Connection, system: hal.System) -> dict[str, str | None]:
    """The statuses of calls that read, or that try to set what CoreAudio must refuse.

    A situation that does not exist here is None.
    """
    library, reader = connection.library, connection.reader
    name, rate, uid = selector("lnam"), selector("nsrt"), selector("uidd")

    def ask(call: Callable[[], Any]) -> str | None:
        answer = connection.call("recording a status", call)
        status = answer[0] if isinstance(answer, tuple) else answer
        return _status_text(int(status))

    def get(object_id: int, code: int, scope: int, element: int, size: int) -> Callable[[], Any]:
        return lambda: library.get(object_id, code, scope, element, size)

    devices = connection.call("listing", lambda: reader.ids(SYSTEM, "dev#"))
    calls = raw.connect(connection.driver)
    stop = calls.AudioDeviceStop
    found = {
        "stop of an unknown device": connection.call(
            "recording a status", lambda: status_of(stop, NO_OBJECT, None)
        ),
        "get of an unknown object": ask(get(NO_OBJECT, rate, GLOBAL, 0, 8)),
        "size of an unknown object": ask(lambda: library.size(NO_OBJECT, rate, GLOBAL, 0)),
        "get of an unknown selector": ask(get(SYSTEM, NO_SELECTOR, GLOBAL, 0, 4)),
        "get of an unknown scope": None,
        "get of an unknown element": None,
        "scalar get with a small buffer": None,
        "scalar get with a large buffer": None,
        "array get with a small buffer": None,
        "set of a read-only property": None,
        "set with a wrong size": None,
        "translation of an unknown UID": ask(
            lambda: reader.values.get(SYSTEM, uid, GLOBAL, 0, "no such uid", b"", 4)
        ),
    }
    if devices:
        device = devices[0]
        found |= {
            "get of an unknown scope": ask(get(device, name, selector("zzzz"), 0, 8)),
            "get of an unknown element": ask(get(device, rate, GLOBAL, 77, 8)),
            "scalar get with a small buffer": ask(get(device, rate, GLOBAL, 0, 4)),
            "scalar get with a large buffer": ask(get(device, rate, GLOBAL, 0, 64)),
            "set of a read-only property": ask(
                lambda: library.set(device, selector("livn"), GLOBAL, 0, bytes(4))
            ),
            "set with a wrong size": ask(lambda: library.set(device, rate, GLOBAL, 0, bytes(4))),
        }
    found |= _statuses_of_calls(connection, calls, devices[0] if devices else None)
    if len(devices) > 1:
        found["array get with a small buffer"] = ask(get(SYSTEM, selector("dev#"), GLOBAL, 0, 4))
    return found


def _heard(*_: Any) -> int:
    return 0


# CoreAudio may still call a listener that was removed, so this one is never freed.
_listener = raw.AudioObjectPropertyListenerProc(_heard)


def _statuses_of_calls(
    connection: Connection, calls: raw.Frameworks, device: int | None
) -> dict[str, str | None]:
    """The statuses of calls about listeners and times; the device is not changed or started."""
    address = raw.AudioObjectPropertyAddress(selector("nsrt"), GLOBAL, 0)
    time = raw.AudioTimeStamp()

    def listen(function: str) -> Callable[[int], str]:
        call = getattr(calls, function)
        return lambda one: status_of(call, one, ctypes.byref(address), _listener, None)

    add, remove = (listen(f"AudioObject{word}PropertyListener") for word in ("Add", "Remove"))
    situations: list[tuple[str, Callable[[int], str]]] = [
        ("removal of a listener that was not added", remove),
        ("first addition of a listener", add),
        ("second addition of the same listener", add),
        ("removal of a listener", remove),
        (
            "current time of a device that does not run",
            lambda one: status_of(calls.AudioDeviceGetCurrentTime, one, ctypes.byref(time)),
        ),
    ]
    found: dict[str, str | None] = {}
    for situation, call in situations:
        if device is None:
            found[situation] = None
        else:
            found[situation] = connection.call(
                "recording a status",
                lambda call=call: call(device),  # type: ignore[misc]
            )
    if device is not None:
        connection.call("removing a listener", lambda: remove(device))  # if it was added twice
    return found


# ---- IO ----


def _io(system: hal.System, seconds: float) -> dict[str, Any] | None:
    """Times and threads of the IO cycles of the default output, or input."""
    driver = system._connection.driver
    times: list[list[int | None]] = []
    threads: list[list[int]] = []

    def callback(block: Any) -> None:
        ident = threading.get_native_id()
        if ident not in threads[-1]:
            threads[-1].append(ident)
        at = block.time
        if len(threads) == 1:
            times.append([at.now_ns, at.input_ns, at.input_frames, at.output_ns, at.output_frames])

    device = driver.default("output")
    kind: Any = OutputStream
    if device is None:
        device, kind = driver.default("input"), InputStream
    if device is None:
        return None
    try:
        stream = kind(callback, device=device, driver=driver, latency="low")
        with contextlib.closing(stream):
            for run_s in (seconds, 0.2):
                threads.append([])
                stream.start()
                stream.wait(timeout=run_s)
                stream.abort()
            latency = dataclasses.asdict(stream.latency)
    except (VoicecoilError, OSError) as error:
        return {"error": type(error).__name__}
    return {
        "direction": "output" if kind is OutputStream else "input",
        "columns": ["now_ns", "input_ns", "input_frames", "output_ns", "output_frames"],
        "times": times,
        "threads_of_a_run": [len(one) for one in threads],
        "same_thread_after_a_restart": bool(set(threads[0]) & set(threads[1])),
        "latency": latency,
        "stop": record_stops(system._connection, "output" if kind is OutputStream else "input"),
    }


# ---- use of a recording ----


def description_of(recorded: dict[str, Any], place: int) -> str:
    """Return the description of a recorded device for `SimulatedCoreAudio.add_device`.

    Parameters
    ----------
    recorded : dict
        What `record_answers` returned.
    place : int
        The place of the device in ``recorded["objects"]``.

    Returns
    -------
    str
        Its channels, rates, buffer, latencies and clock domain.
    """
    objects = recorded["objects"]
    values = {
        (one["selector"], one["scope"]): one["value"]
        for one in objects[place]["properties"]
        if one["element"] == 0 and one["error"] is None
    }
    parts = [f"uid=Recorded:{place}", f"name=Recorded {place}"]
    for key, scope in (("in", "input"), ("out", "output")):
        buffers = values.get(("slay", scope)) or []
        channels = [str(one["channels"]) for one in buffers if one["channels"]]
        if channels:
            parts.append(f"{key}={','.join(channels)}")
        for name, code in (("latency", "ltnc"), ("safety", "saft")):
            if (frames := values.get((code, scope))) is not None:
                parts.append(f"{name}_{key}={frames}")
    rates = values.get(("nsr#", "global")) or []
    if rates:
        texts = dict.fromkeys(
            f"{one['low']:g}" if one["low"] == one["high"] else f"{one['low']:g}-{one['high']:g}"
            for one in rates
        )
        parts.append(f"rates={','.join(texts)}")
    if rate := values.get(("nsrt", "global")):
        parts.append(f"rate={rate:g}")
    if frames := values.get(("fsiz", "global")):
        parts.append(f"buffer={frames}")
    if limits := values.get(("fsz#", "global")):
        parts.append(f"buffer_range={limits['low']:g}-{limits['high']:g}")
    if domain := values.get(("clkd", "global")):
        parts.append(f"clock_domain={domain}")
    return "; ".join(parts)


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return how the answers of two recordings differ, in words.

    Statuses are compared, whether calls follow a stop, the kinds of threads that report a property,
    and which properties the objects of a class have and let be set. Values are not, because they
    differ from Mac to Mac.
    """
    found = []
    for situation, status in one["statuses"].items():
        answer = other["statuses"].get(situation)
        if None not in (status, answer) and status != answer:
            found.append(f"{situation}: {status} and {answer}")
    stops = [calls_after_stops(recorded) for recorded in (one, other)]
    for place, calls in stops[0].items():
        if place in stops[1] and (calls > 0) != (stops[1][place] > 0):
            found.append(
                f"calls after a stop {place.replace('_', ' ')}: {calls} and {stops[1][place]}"
            )
    threads = [threads_of_notifications(recorded) for recorded in (one, other)]
    for text in sorted(threads[0].keys() & threads[1].keys()):
        if threads[0][text] != threads[1][text]:
            words = [" and ".join(known[text]) for known in threads]
            found.append(f"threads that report '{text}': {words[0]}, and {words[1]}")
    first, second = _settable(one), _settable(other)
    for kind, text in sorted(first.keys() & second.keys()):
        if first[kind, text] != second[kind, text]:
            words = [
                "/".join(sorted("settable" if can else "read-only" for can in known[kind, text]))
                for known in (first, second)
            ]
            found.append(f"'{text}' of {kind}: {words[0]} and {words[1]}")
    kinds = {kind for kind, _ in first} & {kind for kind, _ in second}
    for kind, text in sorted(first.keys() ^ second.keys()):
        if kind in kinds:
            where = "first" if (kind, text) in first else "second"
            found.append(f"'{text}' of {kind}: only in the {where} recording")
    return found


def _settable(recorded: dict[str, Any]) -> dict[tuple[str, str], set[bool]]:
    found: dict[tuple[str, str], set[bool]] = {}
    for thing in recorded["objects"]:
        for one in thing.get("properties", ()):
            found.setdefault((thing["class"], one["selector"]), set()).add(one["settable"])
    return found


def main(paths: list[str]) -> int:
    """Print the differences of two recordings, or the guesses that one of them judges."""
    if len(paths) not in (1, 2):
        print("usage: python -m voicecoil.doctor.answers ONE.json [OTHER.json]", file=sys.stderr)
        return 2
    try:
        found = [json.loads(Path(path).read_text()) for path in paths]
    except (OSError, ValueError) as error:
        print(f"not readable: {error}", file=sys.stderr)
        return 1
    for recorded, path in zip(found, paths, strict=True):
        if not isinstance(recorded, dict) or recorded.get("format") != FORMAT:
            print(f"{path} is no recording of `voicecoil doctor --record`", file=sys.stderr)
            return 1
    for line in differences(*found) if len(found) == 2 else judged_guesses(found[0]):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
