"""Queries and callbacks of JACK that miniaudio lacks, or implements slowly."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from voicecoil.drivers.miniaudio import _io, library
from voicecoil.drivers.protocol import Direction

__all__ = [
    "NO_JACK",
    "Jack",
    "card_latencies",
    "client_name",
    "functions",
    "is_pipewire",
    "listen",
    "port_latency_frames",
    "ports",
    "sound_card_port",
    "tells_cycles",
]

_AUDIO = b"32 bit float mono audio"
_IS_INPUT, _IS_OUTPUT, _IS_PHYSICAL = 1, 2, 4
_CAPTURE_LATENCY, _PLAYBACK_LATENCY = 0, 1
MAX_PERIOD_FRAMES = 8192
MAX_CLIENT_BYTES = 60  # 64 bytes without the NUL and the "-01" that JACK may append
MAX_LATENCY_FRAMES = 1 << 24  # a greater value is a fault; callback.c has the same limit


def _address(name: str) -> int:
    jack = library.jack()
    if jack is None or not hasattr(jack, name):
        return 0
    return ctypes.cast(getattr(jack, name), ctypes.c_void_p).value or 0


@dataclass(frozen=True)
class Jack:
    """The fields of vc_ma_jack. An address of 0 means that the function does not exist."""

    cycle_times: int = 0
    period: int = 0
    client: int = 0
    exact_times: bool = False
    latency: int = 0
    readable: int = 0
    skip: int = 0
    ring: int = 0


NO_JACK = Jack()
_CYCLES = ("jack_get_cycle_times", "jack_get_buffer_size")


def tells_cycles() -> bool:
    """Whether this libjack reports the first frame and the length of each cycle."""
    return all(_address(name) for name in _CYCLES)


def client_name(name: str) -> bytes:
    """Return `name` in a form that JACK accepts as the name of a client.

    Colons are replaced, because a colon separates the name of a client from the name of a port.
    The name is shortened, because JACK refuses names that are too long. The limit includes the
    number that JACK appends if another client has the same name. No character is split.
    """
    raw = name.replace(":", "_").encode()[:MAX_CLIENT_BYTES]
    return raw.decode("utf-8", "ignore").encode()


def leave_unconnected(context: memoryview) -> bool:
    """Replace `jack_connect` in the memory of a ma_context by a function that connects nothing.

    miniaudio connects each device when it starts, and no option prevents this. Returns False if
    the context does not have the address of `jack_connect`.
    """
    connect = _address("jack_connect")
    pointers = context.cast("P")
    found = [index for index, pointer in enumerate(pointers) if connect and pointer == connect]
    for index in found:
        pointers[index] = _io.no_connect_address()
    return bool(found)


def functions(client: int) -> Jack:
    """Return the functions of JACK that the IO thread of a client calls."""
    times, period = (_address(name) if tells_cycles() else 0 for name in _CYCLES)
    return Jack(times, period, client, is_pipewire(), _address("jack_port_get_latency_range"))


def ports(client: int) -> tuple[int, int, int]:
    """Return the sound card's (inputs, outputs, rate in Hz)."""
    jack = library.jack()
    assert jack is not None
    counts = [len(_physical_ports(jack, client, way)) for way in (_IS_OUTPUT, _IS_INPUT)]
    return counts[0], counts[1], int(jack.jack_get_sample_rate(client))


def _physical_ports(jack: ctypes.CDLL, client: int, way: int) -> list[bytes]:
    names = jack.jack_get_ports(client, None, _AUDIO, _IS_PHYSICAL | way)
    found: list[bytes] = []
    if names:
        while (name := names[len(found)]) is not None:
            found.append(name)
        jack.jack_free(names)
    return found


def is_pipewire() -> bool:
    """Whether this is PipeWire's libjack.

    PipeWire reports exact cycle times, and any client can change its period.
    """
    jack = library.jack()
    if jack is None or not hasattr(jack, "jack_get_version_string"):
        return False
    return b"PipeWire" in (jack.jack_get_version_string() or b"")


def listen(client: int, io: _io.IO) -> None:
    """Registers `io` for JACK's notifications: shutdown, xrun, and change of the rate.

    Call it before the client is activated. miniaudio registers only a callback for the shutdown. It
    works only while the device runs, and it makes calls of its own. So `io` replaces it.
    """
    jack = library.jack()
    if jack is None:
        return
    for name, address in (
        ("jack_on_shutdown", _io.gone_address()),
        ("jack_set_xrun_callback", _io.overload_address()),
        ("jack_set_sample_rate_callback", _io.rate_address()),
    ):
        if hasattr(jack, name):
            getattr(jack, name)(client, address, io.address)


def sound_card_port(client: int, direction: Direction) -> int:
    """Return the sound card's first port for a direction; 0 if there is none."""
    jack = library.jack()
    needed = ("jack_get_ports", "jack_port_by_name", "jack_free")
    if jack is None or not all(hasattr(jack, name) for name in needed):
        return 0
    way = _IS_OUTPUT if direction == "input" else _IS_INPUT
    names = _physical_ports(jack, client, way)
    return (jack.jack_port_by_name(client, names[0]) or 0) if names else 0


def card_latencies(client: int) -> dict[str, Any]:
    """Return the fields of `Device` with the latencies of the sound card, without JACK's buffer.

    The latency of a port counts from the beginning of a cycle, so that it includes the buffer. The
    call may wait for a period; see `port_latency_frames`.
    """
    jack = library.jack()
    if jack is None or not hasattr(jack, "jack_get_buffer_size"):
        return {}
    period = int(jack.jack_get_buffer_size(client))
    found: dict[str, Any] = {}
    directions: tuple[Direction, ...] = ("input", "output")
    for direction in directions:
        port = sound_card_port(client, direction)
        frames = port_latency_frames(port, direction)
        found[f"{direction}_latency_frames"] = None if frames is None else max(0, frames - period)
    return found


def port_latency_frames(port: int, direction: Direction) -> int | None:
    """Return the latency from the sound card's ports to its connectors, frames; None: not known.

    The call waits for a period while JACK's graph changes, for example just after a client was
    opened.
    """
    jack = library.jack()
    if jack is None or not port or not hasattr(jack, "jack_port_get_latency_range"):
        return None
    found = library.JackRange()
    mode = _CAPTURE_LATENCY if direction == "input" else _PLAYBACK_LATENCY
    jack.jack_port_get_latency_range(port, mode, ctypes.byref(found))
    return int(found.maximum) if found.maximum < MAX_LATENCY_FRAMES else None
