"""miniaudio's result codes as errors that say what to do."""

from __future__ import annotations

from voicecoil.errors import DriverError

__all__ = ["NO_BACKEND", "result_error"]

NO_BACKEND = -203

# code -> (name, what it means, what the user can do)
_KNOWN: dict[int, tuple[str, str, str]] = {
    -1: ("MA_ERROR", "the sound server does not say why", "look at the sound server's log"),
    -2: ("MA_INVALID_ARGS", "an argument is wrong", "this is a defect: please report it"),
    -3: ("MA_INVALID_OPERATION", "that cannot be done now", "close the stream and open a new one"),
    -4: ("MA_OUT_OF_MEMORY", "memory ran out", "close other programs"),
    -6: ("MA_ACCESS_DENIED", "this user may not do that", "is the user in the group `audio`?"),
    -7: ("MA_DOES_NOT_EXIST", "it does not exist", "list the devices again"),
    -9: ("MA_TOO_MANY_OPEN_FILES", "too many files are open", "close streams, or ulimit -n"),
    -19: ("MA_BUSY", "the device is in use", "end the program that has it, or use its server"),
    -20: ("MA_IO_ERROR", "reading or writing failed", "replug the device"),
    -22: ("MA_UNAVAILABLE", "it is not available", "list the devices again"),
    -34: ("MA_TIMEOUT", "there was no answer in time", "is the sound server running?"),
    -48: ("MA_CONNECTION_REFUSED", "the sound server refused", "does it belong to this user?"),
    -200: ("MA_FORMAT_NOT_SUPPORTED", "the format is not supported", "choose another rate"),
    -201: ("MA_DEVICE_TYPE_NOT_SUPPORTED", "it has no such direction", "choose another device"),
    NO_BACKEND: (
        "MA_NO_BACKEND",
        "that sound system is not available",
        "start its server, or choose another",
    ),
    -204: ("MA_NO_DEVICE", "the device is not there", "list the devices again"),
    -205: ("MA_API_NOT_FOUND", "its client library is too old", "update it"),
    -206: ("MA_INVALID_DEVICE_CONFIG", "the device cannot do that", "choose another rate"),
    -400: ("MA_FAILED_TO_INIT_BACKEND", "it could not be set up", "is its server running?"),
    -401: (
        "MA_FAILED_TO_OPEN_BACKEND_DEVICE",
        "the device could not be opened",
        "is its server running, and the device not in use by another program?",
    ),
    -402: (
        "MA_FAILED_TO_START_BACKEND_DEVICE",
        "the device could not be started",
        "is its server still running?",
    ),
    -403: (
        "MA_FAILED_TO_STOP_BACKEND_DEVICE",
        "the device could not be stopped",
        "is its server still running?",
    ),
}


def result_error(call: str, code: int, what: str, said: list[str]) -> DriverError:
    """Returns the error for a call that returned a ma_result other than MA_SUCCESS.

    Parameters
    ----------
    call : str
        The name of miniaudio's function.
    code : int
        The ma_result that the function returned.
    what : str
        The device or sound system that was called.
    said : list of str
        The messages of the sound system's client library during the call.
    """
    name, meaning, advice = _KNOWN.get(code, ("a code without a name here", "", ""))
    text = f"{call} gave {name} ({code}) for {what}"
    if meaning:
        text += f": {meaning}; {advice}"
    error = DriverError(text, call=call, code=code)
    for line in dict.fromkeys(said):
        error.add_note(f"its client library said: {line}")
    return error
