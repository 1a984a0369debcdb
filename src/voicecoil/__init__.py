"""CoreAudio from Python: real-time audio, with Python functions called for each block of frames.

>>> import voicecoil as vc
>>> def tone(block):
...     block.output[:] = 0.1
>>> with vc.OutputStream(tone):
...     ...

Importing this package is quick: what a name needs (NumPy, the compiled core) is loaded when the
name is first used.
"""

from __future__ import annotations

from importlib import import_module

from voicecoil.resources import resource_errors

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without what importing `typing` takes
__version__ = "0.1.0"

if TYPE_CHECKING:
    from typing import Any

    from voicecoil import conversion as conversion
    from voicecoil import drivers as drivers
    from voicecoil import errors as errors
    from voicecoil import files as files
    from voicecoil import native as native
    from voicecoil import testing as testing
    from voicecoil._block import Block as Block
    from voicecoil._block import BlockTime as BlockTime
    from voicecoil._block import Values as Values
    from voicecoil.callbacks.native import NativeCallback as NativeCallback
    from voicecoil.drivers.find import default_device as default_device
    from voicecoil.drivers.find import devices as devices
    from voicecoil.drivers.protocol import Device as Device
    from voicecoil.drivers.protocol import Latency as Latency
    from voicecoil.errors import ArgumentError as ArgumentError
    from voicecoil.errors import ArgumentTypeError as ArgumentTypeError
    from voicecoil.errors import CallbackResultError as CallbackResultError
    from voicecoil.errors import DeviceLostError as DeviceLostError
    from voicecoil.errors import DeviceNotFoundError as DeviceNotFoundError
    from voicecoil.errors import DriverError as DriverError
    from voicecoil.errors import EscapedBlockError as EscapedBlockError
    from voicecoil.errors import FileBusyError as FileBusyError
    from voicecoil.errors import FileFormatError as FileFormatError
    from voicecoil.errors import FileMissingError as FileMissingError
    from voicecoil.errors import FileThereError as FileThereError
    from voicecoil.errors import ForkedError as ForkedError
    from voicecoil.errors import FramesLostError as FramesLostError
    from voicecoil.errors import IsolatedCallbackError as IsolatedCallbackError
    from voicecoil.errors import IsolatedError as IsolatedError
    from voicecoil.errors import IsolatedImportError as IsolatedImportError
    from voicecoil.errors import NativeCallbackError as NativeCallbackError
    from voicecoil.errors import PythonVersionError as PythonVersionError
    from voicecoil.errors import Stop as Stop
    from voicecoil.errors import StreamClosedError as StreamClosedError
    from voicecoil.errors import StreamStateError as StreamStateError
    from voicecoil.errors import StreamTimeoutError as StreamTimeoutError
    from voicecoil.errors import VoicecoilError as VoicecoilError
    from voicecoil.events import Event as Event
    from voicecoil.levels import Level as Level
    from voicecoil.sounds.play import Playback as Playback
    from voicecoil.sounds.play import play as play
    from voicecoil.sounds.record import Recording as Recording
    from voicecoil.sounds.record import record as record
    from voicecoil.sounds.record_writer import Loss as Loss
    from voicecoil.sounds.render import Clip as Clip
    from voicecoil.sounds.render import render as render
    from voicecoil.statistics import Statistics as Statistics
    from voicecoil.streams.priority import ThreadPriority as ThreadPriority
    from voicecoil.streams.stream import InputStream as InputStream
    from voicecoil.streams.stream import OutputStream as OutputStream
    from voicecoil.streams.stream import Stream as Stream

# Public name -> the module that has it.
_HOMES = {
    "_block": "Block BlockTime Values",
    "drivers.find": "default_device devices",
    "drivers.protocol": "Device Latency",
    "errors": "ArgumentError ArgumentTypeError CallbackResultError DeviceLostError "
    "DeviceNotFoundError DriverError EscapedBlockError FileBusyError FileFormatError "
    "FileMissingError FileThereError ForkedError FramesLostError IsolatedCallbackError "
    "IsolatedError IsolatedImportError NativeCallbackError "
    "PythonVersionError Stop StreamClosedError StreamStateError StreamTimeoutError VoicecoilError",
    "events": "Event",
    "levels": "Level",
    "callbacks.native": "NativeCallback",
    "sounds.play": "Playback play",
    "sounds.record": "Recording record",
    "sounds.record_writer": "Loss",
    "sounds.render": "Clip render",
    "statistics": "Statistics",
    "streams.priority": "ThreadPriority",
    "streams.stream": "InputStream OutputStream Stream",
}
_MODULES = {"conversion", "drivers", "errors", "files", "native", "testing"}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = ["__version__", "get_include", *sorted(_HOME_OF)]


def get_include() -> str:
    """The folder of ``voicecoil_bridge.h``, for compiling extensions that use the bridge."""
    from pathlib import Path

    return str(Path(__file__).parent / "include")


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if name in _MODULES:
        home = name
    if home is None:
        raise AttributeError(f"module 'voicecoil' has no attribute {name!r}")
    with resource_errors(f"load voicecoil.{name}"):
        module = import_module(f"voicecoil.{home}")
    if name in _MODULES:
        return module
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, *_MODULES})
