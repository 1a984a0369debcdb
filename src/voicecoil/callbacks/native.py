"""Native functions as callbacks. They run on the IO thread without Python.

This C signature is stable (``vc_native_fn`` in ``src/core/native.h``)::

    int32_t callback(float *output, const float *input, uint32_t frames,
                     const vc_block *block, void *user);

`output` and `input` are interleaved float32 with `frames` times the stream's channels samples. Each
is NULL if the stream does not have that direction. The function returns 0 to continue, 1 to end the
stream after this block, or a negative number of its own to end the stream with a
`NativeCallbackError`. It must not block, allocate, or call Python. A Python function that ctypes,
cffi or Cython wraps as a native function does call Python, so it can make blocks late. If it raises
an exception, the exception ends the stream, as in any other callback.

`user` is the argument of :class:`NativeCallback`. In a stream with ``parameters=``, `user` points
instead to the newest record of the parameters, which is constant during the call. The record has
the values in the order of the parameters, each at a multiple of 8 bytes. A float is a double, an
int is an int64_t, and a bool is one byte. A bytes object is a uint32_t with its length, followed by
the bytes.
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
    """A native function and its `user` argument.

    Parameters
    ----------
    function : object
        A numba ``cfunc``, a ctypes function pointer, a cffi function pointer, a PyCapsule that is
        named after its signature (as Cython's are), or an integer address. The function must have
        the signature in this module's documentation.
    user : int, ctypes object, cffi pointer or buffer, optional
        The value of the function's `user` argument: an address, a pointer, or an object whose
        memory the function uses. The stream keeps the object alive and at the same address.

    Raises
    ------
    ArgumentTypeError
        `function` is not a native function or has another signature, or `user` has no address.
    ArgumentError
        `function` is NULL, or is a numba function that may raise an exception.
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
    """Return the signature as a ctypes function type, for casting the function of a library.

    Returns
    -------
    type
        A function type made by ``ctypes.CFUNCTYPE``.
    """
    pointer = ctypes.c_void_p
    return ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, ctypes.c_uint32, pointer, pointer)


def as_native(callback: Any) -> NativeCallback | None:
    """Return `callback` as a NativeCallback; None if it is not a native function."""
    if isinstance(callback, NativeCallback):
        return callback
    if isinstance(callback, int) or function_address(callback) is None:
        return None
    return NativeCallback(callback)


def check_native(
    native: NativeCallback, parameters: Mapping[str, Any] | None, results: Any
) -> None:
    """Refuse arguments of a stream that a native callback does not support.

    Raises
    ------
    ArgumentError
        `results` are given, or both `parameters` and the native callback's `user`.
    """
    if results is not None:
        raise ArgumentError(
            "results are for Python callbacks; a native one writes into the `user` of "
            "voicecoil.NativeCallback"
        )
    if parameters and native.user:
        raise ArgumentError(
            "a native function has one argument `user`; give either NativeCallback's `user`, or "
            "parameters, to which `user` then points"
        )


def native_code(native: NativeCallback, parameters: Record | None) -> _core.NativeCode:
    """Return the native callback as a stream's code."""
    from voicecoil import _block, _core

    mailbox = _block.mailbox(parameters.values) if parameters is not None else 0
    record = parameters.values if parameters is not None else None
    code = _core.NativeCode(native.address, native.user, native.keep, mailbox, record)
    _codes.add(code)
    _listen()
    return code


# ---- Python code in native functions -----------------------------------------------------------

_codes: Alive[_core.NativeCode] = Alive()
_hook: Any = None  # the newest `sys.unraisablehook` that `_listen` has installed


def _listen() -> None:
    """Install a hook that ends the stream if Python code in a native function raises.

    ctypes, cffi and Cython cannot pass an exception to the caller of a native function. They call
    `sys.unraisablehook` on the IO thread, within the callback. Without this hook, the stream
    continued in silence and a traceback was printed for every block.
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
