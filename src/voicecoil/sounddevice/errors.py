"""The exceptions of python-sounddevice's API, and the errors of PortAudio that they name."""

from __future__ import annotations

from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceLostError,
    DeviceNotFoundError,
    DriverError,
    OutOfMemoryError,
    Stop,
    StreamTimeoutError,
    VoicecoilError,
)

__all__ = [
    "BAD_STREAM",
    "CallbackAbort",
    "CallbackStop",
    "DEVICE_UNAVAILABLE",
    "HOST_ERROR",
    "INVALID_CHANNELS",
    "INVALID_DEVICE",
    "INVALID_FLAG",
    "INVALID_RATE",
    "NO_READ",
    "NO_WRITE",
    "PortAudioError",
    "STOPPED",
    "fault",
    "translated",
]

HOST_ERROR = -9999
INVALID_CHANNELS = -9998
INVALID_RATE = -9997
INVALID_DEVICE = -9996
INVALID_FLAG = -9995
OUT_OF_MEMORY = -9992
TIMED_OUT = -9987
BAD_STREAM = -9988
DEVICE_UNAVAILABLE = -9985
STOPPED = -9983
NO_READ = -9977
NO_WRITE = -9976

# Programs search for these words, so they are those of PortAudio.
_TEXTS = {
    HOST_ERROR: "Unanticipated host error",
    INVALID_CHANNELS: "Invalid number of channels",
    INVALID_RATE: "Invalid sample rate",
    INVALID_DEVICE: "Invalid device",
    INVALID_FLAG: "Invalid flag",
    OUT_OF_MEMORY: "Insufficient memory",
    TIMED_OUT: "Wait timed out",
    BAD_STREAM: "Invalid stream pointer",
    DEVICE_UNAVAILABLE: "Device unavailable",
    STOPPED: "Stream is stopped",
    NO_READ: "Can't read from a callback stream",
    NO_WRITE: "Can't write to a callback stream",
}


class PortAudioError(VoicecoilError):
    """An error of the audio system or of a stream.

    ``args`` has the message, then PortAudio's number for this kind of error if there is one, then
    (index of the host API, number, text) if the audio system gave an error of its own.
    """

    def __str__(self) -> str:
        text = str(self.args[0]) if self.args else ""
        if len(self.args) > 1:
            text = f"{text} [PaErrorCode {self.args[1]}]"
        if len(self.args) > 2:
            host_api, number, said = self.args[2]
            text = f"{text}: {said!r} [error {number} of host API {host_api}]"
        return text


class CallbackStop(Stop):
    """A callback raises this to end its stream after all frames up to this block were played."""


class CallbackAbort(Exception):  # noqa: N818 - an instruction, not an error
    """A callback raises this to end its stream at once. Frames that were not played are dropped."""


def fault(code: int, doing: str = "", host: tuple[int, int, str] | None = None) -> PortAudioError:
    """Return the error with PortAudio's number `code`. `doing` is the beginning of its message."""
    text = f"{doing}: {_TEXTS[code]}" if doing else _TEXTS[code]
    return PortAudioError(text, code) if host is None else PortAudioError(text, code, host)


def translated(error: Exception, doing: str) -> PortAudioError:
    """Return the PortAudioError for an error of voicecoil."""
    if isinstance(error, DeviceNotFoundError):
        return fault(INVALID_DEVICE, f"{doing}: {error}")
    if isinstance(error, DeviceLostError):
        return fault(DEVICE_UNAVAILABLE, f"{doing}: {error}")
    if isinstance(error, StreamTimeoutError):
        return fault(TIMED_OUT, f"{doing}: {error}")
    if isinstance(error, OutOfMemoryError):
        return fault(OUT_OF_MEMORY, f"{doing}: {error}")
    if isinstance(error, DriverError):
        return fault(HOST_ERROR, doing, (0, error.code, str(error)))
    if isinstance(error, ArgumentError | ArgumentTypeError):
        for word, code in (("samplerate", INVALID_RATE), ("channels", INVALID_CHANNELS)):
            if str(error).startswith(word):
                return fault(code, f"{doing}: {error}")
    return fault(HOST_ERROR, doing, (0, 0, str(error)))
