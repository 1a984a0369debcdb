"""CoreAudio's C functions, for what voicecoil has no objects for.

Every function, structure, callback type, constant and string of CoreAudio, AudioToolbox, the part
of CoreFoundation that they need, CoreMIDI, workgroups and Objective-C, by its C name::

    from ctypes import byref, c_uint32, sizeof
    from voicecoil import raw

    address = raw.AudioObjectPropertyAddress(
        raw.kAudioHardwarePropertyDefaultOutputDevice,
        raw.kAudioObjectPropertyScopeGlobal,
        raw.kAudioObjectPropertyElementMain,
    )
    device, size = c_uint32(), c_uint32(4)
    raw.AudioObjectGetPropertyData(
        raw.kAudioObjectSystemObject, byref(address), 0, None, byref(size), byref(device)
    )

A function releases the GIL while it runs. One that returns an OSStatus raises a `DriverError` with
the ``code`` if it is not 0. Nothing else is checked: a wrong pointer ends the process, a call can
hang, and what a function creates must be released, as in C. A callback must not be made for an IO
thread, because it would wait for the GIL there; the streams of voicecoil are made for that.

A function that this macOS does not have raises a `SymbolMissingError` when it is looked up, so that
``hasattr(raw, "AudioHardwareCreateProcessTap")`` asks for it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicecoil.arguments import shown
from voicecoil.drivers.coreaudio.driver import FRAMEWORKS, CoreAudioDriver
from voicecoil.drivers.coreaudio.status import status_error
from voicecoil.errors import ArgumentError, DriverError, SymbolMissingError
from voicecoil.raw.ctypes_of import abi, callback, structure, type_of
from voicecoil.wording import did_you_mean

if TYPE_CHECKING:
    from voicecoil.drivers.protocol import Driver

__all__ = [
    "DriverError",
    "Frameworks",
    "OSStatus",
    "SymbolMissingError",
    "cfstring",
    "connect",
    "function",
    "signature",
]


class Frameworks:
    """The functions and variables of the frameworks, or of a library that replaces them.

    ``frameworks.AudioDeviceStart`` is the function of that name.

    Parameters
    ----------
    paths : sequence of str or None
        The libraries in which all symbols are looked for. None: each in its framework.
    """

    def __init__(self, paths: tuple[str, ...] | None = None) -> None:
        self._paths = paths
        self._handles: dict[str, ctypes.CDLL] = {}

    def __repr__(self) -> str:
        return f"<Frameworks {', '.join(self._paths or abi()['paths'].values())}>"

    def handle(self, framework: str) -> ctypes.CDLL:
        """Return the open library of a framework.

        Parameters
        ----------
        framework : str
            ``"CoreAudio"``, ``"AudioToolbox"``, ``"CoreFoundation"``, ``"CoreMIDI"`` ..., or a
            path.

        Returns
        -------
        ctypes.CDLL
            Its attributes are untyped functions.

        Raises
        ------
        DriverError
            It cannot be opened.
        """
        return self._open(
            self._paths[0] if self._paths else abi()["paths"].get(framework, framework)
        )

    def _open(self, path: str) -> ctypes.CDLL:
        if path not in self._handles:
            try:
                self._handles[path] = ctypes.CDLL(path)
            except OSError as error:
                raise DriverError(
                    f"{error}. The frameworks exist on macOS; on Linux the simulated CoreAudio "
                    "takes their place (VOICECOIL_COREAUDIO_SIMULATOR, docs/testing.md)",
                    call="dlopen",
                ) from error
        return self._handles[path]

    def _find(self, name: str, framework: str, since: str = "") -> tuple[ctypes.CDLL, Any]:
        for path in self._paths or (abi()["paths"].get(framework, framework),):
            handle = self._open(path)
            try:
                return handle, getattr(handle, name)
            except AttributeError:
                continue
        needs = f"; it needs macOS {since}" if since else ""
        where = ", ".join(self._paths or (framework,))
        raise SymbolMissingError(
            f"{where} has no symbol {shown(name)}{needs}, or it is not part of the simulated "
            "CoreAudio"
        )

    def function(
        self, name: str, returns: Any, *arguments: Any, framework: str = "AudioToolbox"
    ) -> Callable[..., Any]:
        """Return a function with other types than those of the table, or one that it lacks.

        ``objc_msgSend`` must have the types of the method that it calls.

        Parameters
        ----------
        name : str
            The C name.
        returns : ctypes type or None
            The result; ``raw.OSStatus`` raises errors.
        *arguments : ctypes types
            The parameters.
        framework : str
            Where to look for a function that the table does not have.

        Returns
        -------
        callable
            The function.
        """
        known = abi()["functions"].get(name)
        found = self._find(name, known[0] if known else framework)[1]
        address = ctypes.cast(found, ctypes.c_void_p).value
        made: Any = ctypes.CFUNCTYPE(_plain(returns), *arguments)(address)
        made.__name__ = name
        if returns is OSStatus:
            made.errcheck = _checker(name)
        return made  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        if name in abi()["functions"]:
            framework, since, returns, is_status, parameters = abi()["functions"][name]
            found = self._find(name, framework, since)[1]
            found.restype = type_of(returns)
            found.argtypes = [type_of(text) for _, text in parameters]
            if is_status:
                found.errcheck = _checker(name)
        elif name in abi()["variables"]:
            framework, text = abi()["variables"][name]
            handle = self._find(name, framework)[0]
            found = type_of(text).in_dll(handle, name)
        else:
            asked = did_you_mean(name, _names()) if not name.startswith("_") else ""
            raise AttributeError(
                f"voicecoil.raw has no {shown(name)}; function(name, returns, *arguments) calls "
                "what its table lacks" + (f"; {asked}" if asked else ""),
                name=name,
                obj=self,
            )
        self.__dict__[name] = found
        return found


class OSStatus(ctypes.c_int32):
    """The result of a function that raises a `DriverError` if it is not 0."""


def _plain(kind: Any) -> Any:
    return ctypes.c_int32 if kind is OSStatus else kind


def _checker(name: str) -> Callable[[int, Any, Any], int]:
    def check(status: int, called: Any, arguments: Any) -> int:
        if status != 0:
            raise status_error(name, status, "these arguments")
        return status

    return check


_default: list[Frameworks] = []


def connect(driver: Driver | None = None) -> Frameworks:
    """Return the functions of the CoreAudio that a driver uses.

    Parameters
    ----------
    driver : Driver or None
        A driver of CoreAudio; None: the frameworks of macOS, or the simulated CoreAudio if the
        environment variable ``VOICECOIL_COREAUDIO_SIMULATOR`` has its path. The functions of this
        module are those of None.

    Returns
    -------
    Frameworks
        Its attributes are the functions.
    """
    if isinstance(driver, CoreAudioDriver):
        paths = tuple(driver.library.paths)
        return Frameworks(None if paths == FRAMEWORKS else paths)
    if driver is not None:
        raise DriverError(f"the driver {driver.name!r} has no CoreAudio", call="dlopen")
    if not _default:
        simulated = os.environ.get("VOICECOIL_COREAUDIO_SIMULATOR")
        _default.append(Frameworks((simulated,) if simulated else None))
    return _default[0]


def function(
    name: str, returns: Any, *arguments: Any, framework: str = "AudioToolbox"
) -> Callable[..., Any]:
    """Return a function with given types; see `Frameworks.function`.

    Parameters
    ----------
    name : str
        The C name.
    returns : ctypes type or None
        The result; ``raw.OSStatus`` raises errors.
    *arguments : ctypes types
        The parameters.
    framework : str
        Where to look for a function that the table does not have.

    Returns
    -------
    callable
        The function.
    """
    return connect().function(name, returns, *arguments, framework=framework)


def cfstring(text: str, frameworks: Frameworks | None = None) -> ctypes.c_void_p:
    """Return a CFString, which the caller releases with ``CFRelease``.

    Parameters
    ----------
    text : str
        Its content.
    frameworks : Frameworks or None
        None: those of this module.

    Returns
    -------
    ctypes.c_void_p
        The reference.
    """
    data = text.encode()
    calls = frameworks or connect()
    buffer = (ctypes.c_uint8 * max(1, len(data))).from_buffer_copy(data or b"\0")
    made = calls.CFStringCreateWithBytes(
        None, buffer, len(data), abi()["constants"]["kCFStringEncodingUTF8"], 0
    )
    return ctypes.c_void_p(made)


def signature(name: str) -> str:
    """Return the C declaration of a function.

    Parameters
    ----------
    name : str
        The C name.

    Returns
    -------
    str
        With canonical types.

    Raises
    ------
    ArgumentError
        There is no such function. The message has those with a similar name.
    """
    if name not in abi()["functions"]:
        asked = did_you_mean(str(name), abi()["functions"])
        raise ArgumentError(
            f"signature({shown(name)}): voicecoil.raw has no such function; "
            + (asked or "dir(voicecoil.raw) lists its names")
        )
    _, since, returns, is_status, parameters = abi()["functions"][name]
    listed = ", ".join(f"{text} {parameter}" for parameter, text in parameters) or "void"
    newer = f"  // macOS {since}" if since else ""
    return f"{'OSStatus' if is_status else returns} {name}({listed});{newer}"


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    table = abi()
    if name in table["constants"]:
        found: Any = table["constants"][name]
    elif name in table["strings"]:
        found = table["strings"][name]
    elif name in table["structs"]:
        found = structure(name)
    elif name in table["callbacks"]:
        found = callback(name)
    else:
        return getattr(connect(), name)
    globals()[name] = found
    return found


def _names() -> set[str]:
    kinds = ("functions", "structs", "callbacks", "variables", "constants", "strings")
    return {*__all__, *(name for kind in kinds for name in abi()[kind])}


def __dir__() -> list[str]:
    return sorted(_names())
