"""What JACK says that miniaudio does not ask, or asks at length."""

from __future__ import annotations

import ctypes

from voicecoil.drivers.miniaudio import _io, library
from voicecoil.drivers.protocol import Direction

__all__ = [
    "changes_period",
    "cycle_times_address",
    "latency_address",
    "port_latency_frames",
    "ports",
    "sound_card_port",
    "tell_when_gone",
]

_AUDIO = b"32 bit float mono audio"
_IS_INPUT, _IS_OUTPUT, _IS_PHYSICAL = 1, 2, 4
_CAPTURE_LATENCY, _PLAYBACK_LATENCY = 0, 1
MAX_PERIOD_FRAMES = 8192
MAX_LATENCY_FRAMES = 1 << 24  # more is nonsense; as in callback.c


def _address(name: str) -> int:
    jack = library.jack()
    if jack is None or not hasattr(jack, name):
        return 0
    return ctypes.cast(getattr(jack, name), ctypes.c_void_p).value or 0


def cycle_times_address() -> int:
    """Of jack_get_cycle_times; 0: this libjack has none."""
    return _address("jack_get_cycle_times")


def ports(client: int) -> tuple[int, int, int]:
    """The sound card's (inputs, outputs, rate in Hz)."""
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


def changes_period() -> bool:
    """Whether this is PipeWire's libjack: every other client can change its period."""
    jack = library.jack()
    if jack is None or not hasattr(jack, "jack_get_version_string"):
        return False
    return b"PipeWire" in (jack.jack_get_version_string() or b"")


def tell_when_gone(client: int, io: _io.IO) -> None:
    """Has JACK tell `io`, instead of miniaudio, that the server ended the connection.

    miniaudio is told of that only while the device runs, and then it makes calls.
    """
    jack = library.jack()
    if jack is not None and hasattr(jack, "jack_on_shutdown"):
        jack.jack_on_shutdown(client, _io.gone_address(), io.address)


def latency_address() -> int:
    """Of jack_port_get_latency_range; 0: this libjack has none."""
    return _address("jack_port_get_latency_range")


def sound_card_port(client: int, direction: Direction) -> int:
    """The first of the sound card's ports that a direction is connected with; 0: there is none."""
    jack = library.jack()
    needed = ("jack_get_ports", "jack_port_by_name", "jack_free")
    if jack is None or not all(hasattr(jack, name) for name in needed):
        return 0
    way = _IS_OUTPUT if direction == "input" else _IS_INPUT
    names = _physical_ports(jack, client, way)
    return (jack.jack_port_by_name(client, names[0]) or 0) if names else 0


def port_latency_frames(port: int, direction: Direction) -> int | None:
    """Between the sound card's ports and its connectors, frames; None: JACK does not say.

    libjack makes who asks wait for a period while the graph changes, as it does when a client has
    just come.
    """
    jack = library.jack()
    if jack is None or not port or not latency_address():
        return None
    found = library.JackRange()
    mode = _CAPTURE_LATENCY if direction == "input" else _PLAYBACK_LATENCY
    jack.jack_port_get_latency_range(port, mode, ctypes.byref(found))
    return int(found.maximum) if found.maximum < MAX_LATENCY_FRAMES else None
