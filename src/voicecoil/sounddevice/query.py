"""Lists devices and host APIs, and finds the device that a program means."""

from __future__ import annotations

import operator
from typing import Any

from voicecoil.arguments import shown
from voicecoil.sounddevice import devices, state
from voicecoil.sounddevice.defaults import SYSTEM, pick
from voicecoil.sounddevice.errors import PortAudioError

__all__ = ["DeviceList", "find_index", "query_devices", "query_hostapis"]


class DeviceList(tuple[dict[str, Any], ...]):
    """The dicts of all devices. Printed, it is a table that marks the default devices.

    ``>`` marks the default input, ``<`` the default output, and ``*`` a device that is both.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        with devices.one_look():
            inputs, outputs = (_default_index(kind) for kind in ("input", "output"))
            hosts = devices.hostapi_dicts()
        width = len(str(len(self) - 1))
        names = {number: host["name"] for number, host in enumerate(hosts)}
        rows = []
        for one in self:
            number = one["index"]
            mark = (" ", ">", "<", "*")[(number == inputs) + 2 * (number == outputs)]
            ways = f"{one['max_input_channels']} in, {one['max_output_channels']} out"
            host = names.get(one["hostapi"], "")
            rows.append(f"{mark} {number:{width}} {one['name']}, {host} ({ways})")
        return "\n".join(rows)


def _default_index(kind: str) -> int:
    try:
        return find_index(None, kind)
    except (ValueError, PortAudioError):
        return -1


def query_devices(device: Any = None, kind: str | None = None) -> Any:
    """Return information about one device or about all.

    Parameters
    ----------
    device : int, str or dict, optional
        An index, or words that its name and the name of its host API contain in this order,
        regardless of case, or a dict that this function has returned.
    kind : {"input", "output"}, optional
        Without `device`: the default device of this direction. With it: only devices that have
        this direction are considered.

    Returns
    -------
    dict or DeviceList
        A dict for one device. Without both arguments, all devices. A device that was removed keeps
        its place, because the others keep their indices.

    Raises
    ------
    ValueError
        No device, or more than one, matches `device`.
    PortAudioError
        There is no device with this index.
    """
    if kind not in ("input", "output", None):
        raise ValueError(f"Invalid kind: {shown(kind)}; possible are 'input', 'output' and None")
    if device is None and kind is None:
        return DeviceList(devices.device_dicts())
    with devices.one_look():
        index = find_index(device, kind, must=True)
        listed = devices.device_dicts()
    if not 0 <= index < len(listed):
        raise PortAudioError(f"Error querying device {index}")
    found = listed[index]
    if kind and found[f"max_{kind}_channels"] < 1:
        raise ValueError(f"Not an {kind} device: {found['name']!r}")
    return found


def query_hostapis(index: int | None = None) -> Any:
    """Return information about one host API, which is an audio system, or about all.

    Parameters
    ----------
    index : int, optional
        The index of one.

    Returns
    -------
    dict or tuple of dict

    Raises
    ------
    PortAudioError
        There is no host API with this index.
    """
    listed = devices.hostapi_dicts()
    if index is None:
        return tuple(listed)
    if not 0 <= operator.index(index) < len(listed):
        raise PortAudioError(f"Error querying host API {index}")
    return listed[operator.index(index)]


def find_index(device: Any, kind: str | None, must: bool = False) -> int:
    """Return the index of the device that `device` means; -1: none.

    Parameters
    ----------
    device : int, str, dict, Device or None, or a pair of them
    kind : {"input", "output"} or None
    must : bool, optional
        Raise ValueError if no device matches, even if a stream could say it better.
    """
    if kind is not None:
        device = pick(device, kind)
    elif isinstance(device, tuple | list):
        first, second = device
        if first != second:
            raise ValueError("the input and the output are different devices; name one, or a kind")
        device = first
    if device is None or device is SYSTEM:
        device = state.default.device[kind or "output"]
    if device is None:
        device = devices.default_index(kind or "output")
    if isinstance(device, dict):
        device = device["index"]
    if hasattr(device, "uid"):
        return devices.index_of(device)
    if not isinstance(device, str) and hasattr(device, "__index__"):
        index = operator.index(device)
        if index < 0 and must:
            raise PortAudioError(f"Error querying device {index}")
        return index
    return _matching(device, kind)


def _matching(text: str, kind: str | None) -> int:
    """Return the index of the only device that matches a text."""
    hosts = [host["name"] for host in devices.hostapi_dicts()]
    listed = [
        one for one in devices.device_dicts() if (one[f"max_{kind}_channels"] if kind else True)
    ]
    words = text.lower().split()
    matches = []
    for one in listed:
        full = f"{one['name']}, {hosts[one['hostapi']]}"
        place = 0
        for word in words:
            place = full.lower().find(word, place)
            if place < 0:
                break
            place += len(word)
        else:
            matches.append((one["index"], full))
    what = kind or "input/output"
    if not matches:
        raise ValueError(
            f"No {what} device matching {shown(text)}; there are: "
            + ("; ".join(one["name"] for one in listed) or "none")
        )
    if len(matches) == 1:
        return int(matches[0][0])
    # A complete name decides between several.
    exact = [index for index, full in matches if text.lower() in (full.lower(), _name(full))]
    exact = exact or [index for index, _ in matches if _is_uid(index, text)]
    if len(exact) == 1:
        return int(exact[0])
    rows = "\n".join(f"[{index}] {full}" for index, full in matches)
    raise ValueError(f"Multiple {what} devices found for {shown(text)}:\n{rows}")


def _name(full: str) -> str:
    return full.rpartition(", ")[0].lower()


def _is_uid(index: int, text: str) -> bool:
    device = devices.device_at(index)
    return device is not None and device.uid == text
