"""Checks of single arguments: numbers, counts, rates, block sizes, seconds and gains."""

from __future__ import annotations

import math
import operator
import os
import sys
from typing import Any, Literal

from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.limits import BLOCK_RANGE_FRAMES, MAX_GAIN, MAX_LEAD_S, RATE_RANGE_HZ
from voicecoil.wording import plural, with_article

__all__ = [
    "check_between",
    "check_blocksize",
    "check_count",
    "check_fade",
    "check_gain",
    "check_latency",
    "check_list",
    "check_samplerate",
    "check_seconds",
    "check_sound_first",
    "check_stream_name",
    "check_timeout",
    "program_name",
    "shown",
]

MAX_COUNT = 2**40 - 1  # of frames and loops; larger numbers are mistakes
MAX_NAME = 64  # characters in a stream's name
MAX_FADE_S = 120.0  # of a fade; more are milliseconds, as other libraries take them
SHOWN = 80  # longest representation of a wrong value in a message, in characters


def shown(value: Any) -> str:
    """Return the value's representation for a message: one line of at most about 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the value's own `__repr__` can raise anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _number(value: Any, name: str, example: str) -> float:
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ArgumentError(
            f"{name} is an integer of {value.bit_length()} bits; give a number such as {example}"
        ) from None
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"{name}={shown(value)} is {with_article(type(value).__name__)}; "
            f"give a number such as {example}"
        ) from None


def _whole(value: Any, name: str, possible: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ArgumentTypeError(
            f"{name}={shown(value)} is {with_article(type(value).__name__)}; give {possible}"
        ) from None


def check_count(value: Any, name: str, possible: str, least: int = 0, most: int = MAX_COUNT) -> int:
    """Return `value` as an int from `least` to `most`.

    Error messages name what is `possible`, which has to name `most` if that is given.
    """
    count = _whole(value, name, possible)
    if not least <= count <= most:
        limit = f", at most {MAX_COUNT}" if count > most == MAX_COUNT else ""
        raise ArgumentError(f"{name}={shown(value)}; give {possible}{limit}")
    return count


def check_list(values: Any, name: str, possible: str) -> list[Any]:
    """Return the items of an iterable that is no text; error messages end with `possible`."""
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        return list(values)
    except TypeError:
        kind = with_article(type(values).__name__)
        raise ArgumentTypeError(
            f"{name}={shown(values)} is {kind}; give a list of {possible}"
        ) from None


def check_samplerate(samplerate: Any) -> float | None:
    """Return a sample rate in Hz within the range of devices; None stays None."""
    if samplerate is None:
        return None
    rate = _number(samplerate, "samplerate", "48000")
    low, high = RATE_RANGE_HZ
    if not low <= rate <= high:
        raise ArgumentError(f"samplerate={shown(samplerate)} Hz; use {low:.0f} to {high:.0f}")
    return rate


def check_sound_first(sound: Any, samplerate: Any) -> None:
    """Refuse a sample rate in the place of the sound, as in ``play(48000, sine)``."""
    # An array has `__float__` and `__len__`. A number of Python or NumPy has only `__float__`.
    is_number = hasattr(sound, "__float__") and not hasattr(sound, "__len__")
    if is_number and (hasattr(samplerate, "__len__") or hasattr(samplerate, "__fspath__")):
        raise ArgumentTypeError(
            f"the sound is the number {shown(sound)} and the sample rate is "
            f"{with_article(type(samplerate).__name__)}; give the sound first and its sample rate "
            "second"
        )


def check_blocksize(blocksize: Any) -> int | None:
    """Return the frames per block; None or 0, the device's own block size, become None."""
    if blocksize is None:
        return None
    low, high = BLOCK_RANGE_FRAMES
    frames = _whole(
        blocksize,
        "blocksize",
        f"frames per block, {low} to {high}, or None or 0 for the device's own",
    )
    if frames == 0:
        return None
    if not low <= frames <= high:
        raise ArgumentError(
            f"blocksize={shown(blocksize)} frames; use {low} to {high}, or None or 0 "
            "for the device's own"
        )
    return frames


def check_latency(latency: Any) -> Literal["safe", "low"] | float:
    """Return the latency: "safe", "low", or the lead ahead of the device in seconds."""
    possible = f'"safe", "low", or seconds that are more than 0 and at most {MAX_LEAD_S:g}'
    if latency == "safe":
        return "safe"
    if latency == "low":
        return "low"
    if isinstance(latency, str):
        raise ArgumentError(f"latency={shown(latency)}; use {possible}")
    try:
        seconds = _number(latency, "latency", "0.1")
    except ArgumentTypeError:
        raise ArgumentTypeError(f"latency={shown(latency)}; use {possible}") from None
    if not 0 < seconds <= MAX_LEAD_S:
        raise ArgumentError(f"latency={shown(latency)}; use {possible}")
    return seconds


def check_timeout(timeout: Any, name: str = "timeout") -> float | None:
    """Return a timeout in seconds, 0 or more; None (no timeout) stays None."""
    if timeout is None:
        return None
    seconds = _number(timeout, name, "1.5")
    if math.isnan(seconds) or seconds < 0:
        raise ArgumentError(f"{name}={shown(timeout)} s; give 0 or more, or None to wait for ever")
    return seconds


def check_seconds(seconds: Any, name: str, least_excluded: bool = False) -> float:
    """Return a finite duration in seconds: 0 or more, or above 0 with `least_excluded`."""
    value = _number(seconds, name, "1.5")
    enough = value > 0 if least_excluded else value >= 0
    if not enough or value >= 1e9:
        raise ArgumentError(
            f"{name}={shown(seconds)} s; give "
            f"{'more than 0' if least_excluded else '0 or more'}, and less than 1e9"
        )
    return value


def check_fade(fade_s: Any, name: str = "fade_s") -> float:
    """Return the duration of a fade in seconds, 0 to ``MAX_FADE_S``."""
    value = _number(fade_s, name, "1.5")
    if not 0 <= value <= MAX_FADE_S:
        raise ArgumentError(
            f"{name}={shown(fade_s)} s; give 0 or more, and at most {MAX_FADE_S:g}. "
            f"{name}=0.01 is 10 ms"
        )
    return value


def check_between(value: Any, name: str, least: float, most: float, possible: str) -> float:
    """Return a number from `least` to `most`; error messages end with `possible`."""
    try:
        number = _number(value, name, possible)
    except ArgumentTypeError:
        kind = with_article(type(value).__name__)
        raise ArgumentTypeError(f"{name}={shown(value)} is {kind}; give {possible}") from None
    except ArgumentError:  # an integer that no float can have
        number = math.inf
    if not least <= number <= most:
        raise ArgumentError(f"{name}={shown(value)}; give {possible}")
    return number


def check_gain(gain: Any, name: str = "gain") -> float:
    """Return a finite linear gain within ``MAX_GAIN``."""
    value = _number(gain, name, "1.0")
    if not abs(value) <= MAX_GAIN:
        raise ArgumentError(
            f"{name}={shown(gain)}; give a linear gain such as 0.5, at most {MAX_GAIN:g} (120 dB); "
            "a negative one inverts"
        )
    return value


def program_name() -> str:
    """Return the name of the running program from ``sys.argv[0]``, for display in audio mixers.

    It is "voicecoil" if Python runs no file, for example at the prompt or with ``-c``.
    """
    path = next(iter(getattr(sys, "argv", ())), "")
    folder, name = os.path.split(path)
    if name == "__main__.py":  # the program is a package, started with `python -m package`
        name = os.path.basename(folder)
    for ending in (".py", ".pyw", ".exe"):
        name = name.removesuffix(ending)
    # Bytes of the file's name that Python could not decode become "?".
    name = name.encode("utf-8", "replace").decode()[:MAX_NAME]
    return "voicecoil" if name in ("", "-c", "-m", "-") else name


def check_stream_name(name: Any) -> str:
    """Return a stream name that every audio system accepts; None becomes the program's name."""
    possible = f"1 to {MAX_NAME} characters without NUL, or None for the program's name"
    if name is None:
        return program_name()
    if not isinstance(name, str):
        kind = with_article(type(name).__name__)
        raise ArgumentTypeError(f"name={shown(name)} is {kind}; give {possible}")
    is_unicode = not any("\ud800" <= character <= "\udfff" for character in name)
    if not 1 <= len(name) <= MAX_NAME or "\0" in name or not is_unicode:
        length = plural(len(name), "character")
        raise ArgumentError(f"name={shown(name)} has {length}; give {possible}")
    return name
