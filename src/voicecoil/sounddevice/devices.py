"""The devices as python-sounddevice numbers them.

A device keeps its index for the life of the process, also after it was removed, so that an index
that a program has stored never means another device. New devices are added at the end. PortAudio
lists the devices only once, when it is loaded.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from voicecoil.sounddevice.options import options

if TYPE_CHECKING:
    from voicecoil.drivers.protocol import Device

__all__ = [
    "default_hostapi",
    "default_index",
    "device_at",
    "device_dicts",
    "forget",
    "host_api_of",
    "hostapi_dicts",
    "index_of",
    "one_look",
]

# The names that PortAudio has for the same audio systems. Programs compare them.
_HOST_APIS = {
    "pulse": "PulseAudio",
    "jack": "JACK Audio Connection Kit",
    "alsa": "ALSA",
    "wasapi": "Windows WASAPI",
    "dsound": "Windows DirectSound",
    "winmm": "MME",
    "coreaudio": "Core Audio",
    "sndio": "sndio",
    "audio4": "audio(4)",
    "oss": "OSS",
    "null": "Null",
}
# Programs give these latencies back as `latency`. "high" is the lead of the home "safe".
_LOW_S = 0.01
_HIGH_S = 0.06


class _Known:
    """All devices that were ever listed, and the present ones."""

    def __init__(self) -> None:
        self.devices: list[Device] = []
        self.present: set[str] = set()
        self.host_apis: list[str] = []
        self.driver: object = None

    def look(self) -> None:
        """List the devices that exist now. The driver is the one that streams use by default."""
        from voicecoil.drivers.find import devices

        if self.driver != options.driver:
            self.__init__()  # type: ignore[misc]
            self.driver = options.driver
        listed = devices(options.driver)
        indices = {device.uid: index for index, device in enumerate(self.devices)}
        for device in listed:
            if device.uid in indices:
                self.devices[indices[device.uid]] = device
            else:
                self.devices.append(device)
            name = host_api_of(device)
            if name not in self.host_apis:
                self.host_apis.append(name)
        self.present = {device.uid for device in listed}


_known = _Known()
_lock = threading.Lock()
_this_thread = threading.local()  # `looks`: the listings in the present `one_look`


def _looked() -> _Known:
    with _lock:
        looks = getattr(_this_thread, "looks", None)
        if not looks:
            _known.look()
        if looks is not None:
            _this_thread.looks = 1
        return _known


@contextlib.contextmanager
def one_look() -> Iterator[None]:
    """List the devices at most once in this context, because each listing asks the server."""
    before = getattr(_this_thread, "looks", None)
    _this_thread.looks = before or 0
    try:
        yield
    finally:
        _this_thread.looks = before


def _have() -> _Known:
    return _known if _known.devices and _known.driver == options.driver else _looked()


def forget() -> None:
    """Forget the devices and their indices."""
    with _lock:
        _known.__init__()  # type: ignore[misc]


def host_api_of(device: Device) -> str:
    """Return the name of the host API that a device belongs to."""
    name = device.driver
    if name == "miniaudio":
        name = device.uid.partition(":")[0]
    name = name.removeprefix("miniaudio:")
    return _HOST_APIS.get(name.partition("-")[0], name)


def name_of(device: Device) -> str:
    """Return the name of a device without the name of its audio system, which is listed beside."""
    host_api = host_api_of(device)
    return device.name.removesuffix(f" ({host_api.split()[0]})")


def index_of(device: Device) -> int:
    """Return the index of a device of voicecoil."""
    known = _looked()
    for index, one in enumerate(known.devices):
        if one.uid == device.uid:
            return index
    raise ValueError(f"the device {device.name!r} was never listed")


def device_at(index: int) -> Device | None:
    """Return the device with an index, as it was last listed; None if there is none."""
    for known in (_have, _looked):
        devices = known().devices
        if 0 <= index < len(devices):
            return devices[index]
    return None


def _default_of(known: _Known, kind: str, host_api: str | None = None) -> int:
    """Return the index of the default device of a host API, or of the system; -1: none."""
    usable = [
        (index, device)
        for index, device in enumerate(known.devices)
        if getattr(device, f"{kind}_channels")
        and device.uid in known.present
        and host_api in (None, host_api_of(device))
    ]
    chosen = [index for index, device in usable if getattr(device, f"is_default_{kind}")]
    return next(iter(chosen + [index for index, _ in usable]), -1)


def default_index(kind: str) -> int:
    """Return the index of the system's default device for "input" or "output"; -1: none."""
    return _default_of(_looked(), kind)


def default_hostapi() -> int:
    """Return the index of the host API of the default devices."""
    known = _looked()
    for kind in ("output", "input"):
        index = _default_of(known, kind)
        if index >= 0:
            return known.host_apis.index(host_api_of(known.devices[index]))
    return 0


def device_dicts() -> list[dict[str, Any]]:
    """Return all devices as the dicts of `query_devices`."""
    known = _looked()
    return [_as_dict(known, index) for index in range(len(known.devices))]


def _as_dict(known: _Known, index: int) -> dict[str, Any]:
    device = known.devices[index]
    found: dict[str, Any] = {
        "name": name_of(device),
        "index": index,
        "hostapi": known.host_apis.index(host_api_of(device)),
        "max_input_channels": device.input_channels,
        "max_output_channels": device.output_channels,
    }
    for height, seconds in (("low", _LOW_S), ("high", _HIGH_S)):
        for kind in ("input", "output"):
            has = getattr(device, f"{kind}_channels") > 0
            found[f"default_{height}_{kind}_latency"] = seconds if has else -1.0
    found["default_samplerate"] = float(device.samplerate)
    return found


def hostapi_dicts() -> list[dict[str, Any]]:
    """Return all host APIs as the dicts of `query_hostapis`."""
    known = _looked()
    return [
        {
            "name": name,
            "devices": [
                index for index, device in enumerate(known.devices) if host_api_of(device) == name
            ],
            "default_input_device": _default_of(known, "input", name),
            "default_output_device": _default_of(known, "output", name),
        }
        for name in known.host_apis
    ]
