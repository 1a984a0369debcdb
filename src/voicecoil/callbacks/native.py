"""Native functions as callbacks: machine code on the IO thread, without Python.

The C signature, stable (``vc_native_fn`` in ``voicecoil.h``)::

    int32_t callback(float *output, const float *input, uint32_t frames,
                     const vc_block *block, void *user);

`output` and `input` are interleaved float32, `frames` times the stream's channels; NULL without
that direction. Return 0 to go on, 1 to end the stream after this block, a negative number of your
own to end it with a `NativeCallbackError`. It must not block, allocate, or call Python. If it calls
Python nevertheless, because it is a Python function that ctypes, cffi or Cython made native, an
exception ends the stream as that of any callback does.

`user` is what :class:`NativeCallback` was given. In a stream with ``parameters=`` it is the newest
record of these, constant during the call: the values in their order, each at a multiple of 8 bytes;
a float is a double, an int an int64_t, a bool a byte, and bytes are their number in a uint32_t and
behind it as many.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from voicecoil.arguments import shown
from voicecoil.callbacks.native_functions import (
    SIGNATURE,
    function_address,
    numba_signature,
    user_address,
)
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.lifetime.weak_registry import Alive

if TYPE_CHECKING:
    from voicecoil import _core
    from voicecoil.callbacks.mailbox import Record

from voicecoil.sealed import Unique

__all__ = [
    "SIGNATURE",
    "NativeCallback",
    "as_native",
    "check_native",
    "ctypes_type",
    "native_code",
    "numba_signature",
]


class NativeCallback(Unique):
    """The address of a native function, and what goes with it.

    Parameters
    ----------
    function : object
        A numba ``cfunc``, a ctypes function pointer, a cffi function pointer, a PyCapsule that is
        named after its signature (as Cython's are), or an integer address, of the signature in
        this module's documentation.
    user : int, ctypes object, cffi pointer or buffer, optional
        What the function gets as `user`: an address, a pointer, or an object whose memory it is.
        It is kept alive, and in its place, as long as the stream.

    Raises
    ------
    ArgumentTypeError
        `function` is none of these, or of another signature; `user` has no address.
    ArgumentError
        It is NULL, or a numba function that may raise an exception.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "address",
        "user",
        "keep",
    )

    def __init__(self, function: Any, user: Any = None) -> None:
        address = function_address(function)
        if address is None:
            raise ArgumentTypeError(
                f"{shown(function)} is not a native function; give a numba cfunc, a ctypes or cffi "
                f"function pointer, a PyCapsule, or an address, of signature {SIGNATURE}"
            )
        if not address:
            raise ArgumentError("the native function's address is NULL")
        self.address = address
        self.user, export = user_address(user)
        self.keep = (function, user, export)

    def __repr__(self) -> str:
        return f"<NativeCallback at {self.address:#x} of {self.keep[0]!r}>"


def ctypes_type() -> Any:
    """The signature as a ctypes function type, to cast a library's function to."""
    pointer = ctypes.c_void_p
    return ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, ctypes.c_uint32, pointer, pointer)


def as_native(callback: Any) -> NativeCallback | None:
    """`callback` as a native one; None if it is not native."""
    if isinstance(callback, NativeCallback):
        return callback
    if isinstance(callback, int) or function_address(callback) is None:
        return None
    return NativeCallback(callback)


def check_native(
    native: NativeCallback, parameters: Mapping[str, Any] | None, results: Any
) -> None:
    """What a native function cannot have.

    Raises
    ------
    ArgumentError
    """
    if results is not None:
        raise ArgumentError(
            "results are for Python callbacks; a native one writes into the `user` of "
            "voicecoil.NativeCallback"
        )
    if parameters and native.user:
        raise ArgumentError(
            "a native function has one `user`: give NativeCallback's, or parameters, which are "
            "given to the function instead"
        )


def native_code(native: NativeCallback, parameters: Record | None) -> _core.NativeCode:
    """It as what a stream runs."""
    from voicecoil import _block, _core

    mailbox = _block.mailbox(parameters.control) if parameters is not None else 0
    record = parameters.control if parameters is not None else None
    code = _core.NativeCode(native.address, native.user, native.keep, mailbox, record)
    _codes.add(code)
    _listen()
    return code


# ---- Python code in native functions -----------------------------------------------------------

_codes: Alive[_core.NativeCode] = Alive()
_hook: Any = None  # the newest of ours


def _listen() -> None:
    """Hears what Python code in a native function raises, so that it ends the stream.

    Neither ctypes nor cffi nor Cython has anybody to give it to: they call `sys.unraisablehook`,
    on the IO thread and within the callback. Before, the stream went on in silence and a traceback
    was printed for every block.
    """
    global _hook
    before = sys.unraisablehook
    if before is _hook:
        return

    def hear(unraisable: Any) -> None:
        thread = threading.get_ident()
        error = unraisable.exc_value
        if error is None:
            error = unraisable.exc_type()
        for code in _codes.now():
            if code.running_on == thread and code.keep_exception(error):
                return
        before(unraisable)

    _hook = sys.unraisablehook = hear
