"""What Linux tells about a sound card, for the devices of ALSA.

The kernel's files are read, and no PCM is opened, because a PCM that is in use would be refused.
The database of udev adds the makers of PCI cards, as it does for PulseAudio.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

__all__ = ["facts_of"]

_CARD = re.compile(r"^[\w ]*:(?:.*\bCARD=)?(\w+)")  # "hw:CARD=PCH,DEV=3", "plughw:0,3", ":0,3"
_DEVICE = re.compile(r":(?:.*\bDEV=|\w+,)(\d+)")
_CARDS = re.compile(r"^ *(\d+) \[(\w+) *\]: .*? - (.*)$", re.MULTILINE)
_INTERNAL = "0000:00:"  # the PCI bus of the machine's own chips, for udev as well
_VIRTUAL = ("snd_aloop", "snd_dummy")
_TRANSPORTS = {"usb": "usb", "firewire": "fire wire", "platform": "built in", "soc": "built in"}


def facts_of(pcm: str, root: Path = Path("/")) -> dict[str, Any]:
    """The fields of `Device` for a PCM of ALSA; none if it is no PCM of a sound card.

    Parameters
    ----------
    pcm : str
        Its name in ALSA, such as ``"hw:CARD=PCH,DEV=0"``.
    root : Path
        The folder that has ``proc``, ``sys`` and ``run``.
    """
    named = _CARD.match(pcm)
    listed = _CARDS.findall(_text(root / "proc/asound/cards"))
    found = next((one for one in listed if named and named[1] in one[:2]), None)
    if found is None:
        return {}
    number, _, name = found
    device = root / f"sys/class/sound/card{number}/device"
    database = _text(root / f"run/udev/data/+sound:card{number}")
    udev = dict(re.findall(r"^E:(\w+)=(.*)$", database, re.MULTILINE))
    part = _DEVICE.search(pcm)
    stream = _text(root / f"proc/asound/card{number}/pcm{part[1] if part else 0}p/info")
    is_hdmi = re.search(r"^id: HDMI", stream, re.MULTILINE) is not None
    usb = (device / "..").resolve() if _link(device / "subsystem") == "usb" else None
    return {
        "transport": "hdmi" if is_hdmi else _transport(device),
        "manufacturer": (usb and _text(usb / "manufacturer").strip())
        or udev.get("ID_VENDOR_FROM_DATABASE"),
        "model": (usb and _text(usb / "product").strip())
        or udev.get("ID_MODEL_FROM_DATABASE")
        or name.strip()
        or None,
    }


def _transport(device: Path) -> str | None:
    bus = _link(device / "subsystem")
    if _link(device / "driver") in _VIRTUAL:
        return "virtual"
    if bus == "pci":
        return "built in" if device.resolve().name.startswith(_INTERNAL) else "pci"
    return _TRANSPORTS.get(bus)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _link(path: Path) -> str:
    """The name to which a symbolic link leads; "" if there is no such link."""
    try:
        return path.readlink().name
    except OSError:
        return ""
