"""The API of python-sounddevice 0.5.6, on the streams of voicecoil.

>>> import voicecoil.sounddevice as sd

in place of ``import sounddevice as sd``. docs/sounddevice.md says what is the same, and what
differs and why.
"""

from __future__ import annotations

import operator as _operator
import time as _time
from typing import Any

from voicecoil.sounddevice import devices as _devices
from voicecoil.sounddevice.array_streams import InputStream, OutputStream, Stream
from voicecoil.sounddevice.defaults import InputOutputPair as _InputOutputPair  # noqa: F401 - a name that programs use
from voicecoil.sounddevice.defaults import split as _split  # noqa: F401
from voicecoil.sounddevice.errors import CallbackAbort, CallbackStop, PortAudioError
from voicecoil.sounddevice.exchanges import InputStreamBase as _InputStreamBase  # noqa: F401
from voicecoil.sounddevice.exchanges import OutputStreamBase as _OutputStreamBase  # noqa: F401
from voicecoil.sounddevice.flags import CallbackFlags
from voicecoil.sounddevice.options import options
from voicecoil.sounddevice.parameters import check_input_settings, check_output_settings
from voicecoil.sounddevice.query import DeviceList, query_devices, query_hostapis
from voicecoil.sounddevice.query import find_index as _find_index
from voicecoil.sounddevice.raw_streams import RawInputStream, RawOutputStream, RawStream
from voicecoil.sounddevice.settings import AsioSettings, CoreAudioSettings, WasapiSettings
from voicecoil.sounddevice.sounds import (
    get_status,
    get_stream,
    play,
    playrec,
    rec,
    stop,
    wait,
)
from voicecoil.sounddevice.state import default
from voicecoil.sounddevice.streams import StreamBase as _StreamBase  # noqa: F401

__all__ = [
    "AsioSettings",
    "CallbackAbort",
    "CallbackFlags",
    "CallbackStop",
    "CoreAudioSettings",
    "DeviceList",
    "InputStream",
    "OutputStream",
    "PortAudioError",
    "RawInputStream",
    "RawOutputStream",
    "RawStream",
    "Stream",
    "WasapiSettings",
    "check_input_settings",
    "check_output_settings",
    "default",
    "get_portaudio_version",
    "get_status",
    "get_stream",
    "options",
    "play",
    "playrec",
    "query_devices",
    "query_hostapis",
    "rec",
    "sleep",
    "stop",
    "wait",
]

__version__ = "0.5.6"
_initialized = 1


def sleep(msec: int) -> None:
    """Sleep. Ctrl-C ends it.

    Parameters
    ----------
    msec : int
        Milliseconds.
    """
    _time.sleep(max(0, _operator.index(msec)) / 1000)


def get_portaudio_version() -> tuple[int, str]:
    """Return the version of PortAudio whose behaviour this package has.

    Returns
    -------
    (int, str)
        PortAudio's number of the version, and a text.
    """
    return 0x130700, "PortAudio V19.7.0 (its API on voicecoil, without PortAudio)"


def _get_device_id(id_or_query_string: Any, kind: str | None, raise_on_error: bool = False) -> int:
    """Return the index of the device that an index, words or a pair mean; -1: none."""
    return _find_index(id_or_query_string, kind, raise_on_error)


def _initialize() -> None:
    """List the devices anew, with new indices."""
    global _initialized
    _initialized += 1
    _devices.forget()


def _terminate() -> None:
    """Forget the devices. Streams go on."""
    global _initialized
    _initialized = max(0, _initialized - 1)
    _devices.forget()


def __getattr__(name: str) -> object:
    if name in ("_lib", "_ffi", "_libname"):
        raise AttributeError(
            f"voicecoil.sounddevice has no {name}, because there is no PortAudio behind it; a "
            "program or package that needs PortAudio's own functions needs sounddevice itself",
            name=name,
        )
    if name == "_last_callback":
        from voicecoil.sounddevice import sounds

        return sounds._newest
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
