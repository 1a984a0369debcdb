"""CoreAudio's status codes as errors that say what to do."""

from __future__ import annotations

from voicecoil.errors import DriverError

__all__ = [
    "BAD_DEVICE",
    "BAD_OBJECT",
    "DEAD",
    "UNKNOWN_PROPERTY",
    "four_characters",
    "status_error",
]


def _code(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


BAD_OBJECT = _code("!obj")
BAD_DEVICE = _code("!dev")
BAD_STREAM = _code("!str")
UNKNOWN_PROPERTY = _code("who?")
DEAD = (BAD_OBJECT, BAD_DEVICE)  # errors of calls for an object that is gone

# code -> (what it means, what the user can do)
_KNOWN: dict[int, tuple[str, str]] = {
    BAD_OBJECT: ("the object is not there", "it was unplugged: list the devices again"),
    BAD_DEVICE: ("the device is not there", "it was unplugged: list the devices again"),
    BAD_STREAM: (
        "the stream is not there",
        "the device was reconfigured: open the stream again",
    ),
    UNKNOWN_PROPERTY: ("the object has no such property", "this device or macOS cannot do that"),
    _code("!siz"): (
        "the size does not fit the property",
        "the device changed meanwhile: try again",
    ),
    _code("nope"): (
        "that cannot be done now",
        "try another rate, or close other programs' streams",
    ),
    _code("unop"): ("the device does not support that", "choose another device"),
    _code("nrdy"): ("CoreAudio is not ready", "wait a moment and try again"),
    _code("stop"): ("the device does not run", "start it first"),
    _code("what"): (
        "CoreAudio does not say why",
        "unplug and replug the device, or restart coreaudiod (sudo killall coreaudiod)",
    ),
    _code("!dat"): ("the format is not supported", "choose another rate or number of channels"),
    _code("!hog"): (
        "another program uses the device exclusively",
        "end that program, or turn its exclusive mode off",
    ),
    -50: ("a parameter is wrong", "this is a defect of the driver: please report it"),
    -108: ("memory ran out", "close other programs"),
    -4: ("it is not implemented", "choose another device"),
}

_UNKNOWN = (
    "the code is not one of CoreAudio's documented ones",
    "try again, then replug the device, or choose another: the code comes from its driver",
)


def four_characters(code: int) -> str:
    """Returns a code as four characters if they are printable, otherwise as a number.

    Examples
    --------
    >>> four_characters(0x216f626a)
    "'!obj'"
    >>> four_characters(-50)
    '-50'
    """
    raw = (code & 0xFFFFFFFF).to_bytes(4, "big")
    if all(32 <= byte < 127 for byte in raw):
        return f"'{raw.decode('ascii')}'"
    return str(code)


def status_error(call: str, code: int, what: str) -> DriverError:
    """Returns the error for a call that returned a code other than 0.

    Parameters
    ----------
    call : str
        The name of CoreAudio's function.
    code : int
        The OSStatus that the function returned.
    what : str
        The property and the name of the object, for the message.
    """
    meaning, advice = _KNOWN.get(code, _UNKNOWN)
    shown = four_characters(code)
    number = "" if shown == str(code) else f" ({code})"
    return DriverError(
        f"{call} gave {shown}{number} for {what}: {meaning}; {advice}", call=call, code=code
    )
