"""CoreAudio from Python: real-time audio, with Python functions called for each block of frames.

>>> import voicecoil as vc
>>> def tone(block):
...     block.output[:] = 0.1
>>> with vc.OutputStream(tone):
...     ...

Importing this package is quick, because NumPy and the compiled core are loaded only when a public
name that needs them is first used.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

# Maps each module to its public names. tools/public_names.py generates __init__.pyi from it.
_HOMES = {
    "_block": "Block BlockTime Values",
    "drivers.find": "default_device devices",
    "drivers.protocol": "Device Latency",
    "drivers.system_audio": "SystemAudio",
    "drivers.watch": "DeviceChange DeviceWatch watch",
    "errors": "ArgumentError ArgumentTypeError CallbackResultError DeviceLostError "
    "DeviceNotFoundError DriverError EscapedBlockError FileBusyError FileFormatError "
    "FileMissingError FileThereError ForkedError FramesLostError IsolatedCallbackError "
    "IsolatedError IsolatedImportError NativeCallbackError "
    "PythonVersionError SeekError SilentInputWarning Stop StreamClosedError StreamStateError "
    "StreamTimeoutError SystemAudioError TimePassedError VoicecoilError",
    "events": "Event",
    "levels": "Level",
    "callbacks.native": "NativeCallback",
    "live.marks": "Mark",
    "live.mixer": "Mixer",
    "live.mixer_group": "MixerGroup",
    "live.mixer_voice": "MixerVoice",
    "live.player": "Player",
    "live.recorded_block": "RecordedBlock RecordedTime",
    "live.recorder": "Recorder",
    "sounds.control": "stop_all",
    "sounds.play": "play",
    "sounds.playback": "Playback",
    "sounds.sound": "Sound",
    "sounds.playrec": "Measurement playrec",
    "sounds.record": "Recording record",
    "sounds.record_writer": "Loss",
    "sounds.render": "Clip render",
    "statistics": "Statistics",
    "streams.priority": "ThreadPriority",
    "streams.settings": "Setting Settings",
    "streams.stream": "InputStream OutputStream Stream",
}
_MODULES = {"conversion", "drivers", "errors", "files", "hal", "native", "raw", "testing"}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = ["__version__", "get_include", *sorted(_HOME_OF)]


def get_include() -> str:
    """Return the folder of ``voicecoil_bridge.h``, for extensions that are compiled against it.

    Returns
    -------
    str
        The path of the folder.
    """
    from pathlib import Path

    return str(Path(__file__).parent / "include")


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if name in _MODULES:
        home = name
    if home is None:
        raise AttributeError(f"module 'voicecoil' has no attribute {name!r}")
    # Loading this module together with the package would double the time of `import voicecoil`.
    from voicecoil.resources import resource_errors

    with resource_errors(f"load voicecoil.{name}"):
        module = import_module(f"voicecoil.{home}")
    if name in _MODULES:
        return module
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, *_MODULES})
