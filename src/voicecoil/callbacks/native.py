"""Native functions as callbacks: machine code on the IO thread, without Python.

The C signature, stable (``vc_native_fn`` in ``voicecoil.h``)::

    int32_t callback(float *output, const float *input, uint32_t frames,
                     const vc_block *block, void *user);

`output` and `input` are interleaved float32, `frames` times the stream's channels; NULL without
that direction. Return 0 to go on, 1 to end the stream after this block, a negative number of your
own to end it with a `NativeCallbackError`. It must not block, allocate, or call Python.

`user` is what :class:`NativeCallback` was given. In a stream with ``parameters=`` it is the newest
record of these, constant during the call: the values in their order, each at a multiple of 8 bytes;
a float is a double, an int an int64_t, a bool a byte, and bytes are their number in a uint32_t and
behind it as many.
"""

from __future__ import annotations

import ctypes
import pickletools
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voicecoil.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from voicecoil import _core
    from voicecoil.callbacks.mailbox import Record

__all__ = [
    "SIGNATURE",
    "NativeCallback",
    "as_native",
    "check_native",
    "ctypes_type",
    "native_code",
    "numba_signature",
]

SIGNATURE = "int32_t (float *, const float *, uint32_t, const vc_block *, void *)"


class NativeCallback:
    """The address of a native function, and what goes with it.

    Parameters
    ----------
    function : object
        A numba ``cfunc``, a ctypes function pointer, a cffi function pointer, a PyCapsule, or an
        integer address, of the signature in this module's documentation.
    user : int or ctypes object or buffer, optional
        What the function gets as `user`: an address, or an object whose memory it is. It is kept
        alive as long as the stream.

    Raises
    ------
    ArgumentTypeError
        `function` is none of these, or of another signature.
    ArgumentError
        It is NULL, or a numba function that may raise an exception.
    """

    def __init__(self, function: Any, user: Any = None) -> None:
        address = _address_of(function)
        if address is None:
            raise ArgumentTypeError(
                f"{function!r} is not a native function; give a numba cfunc, a ctypes or cffi "
                f"function pointer, a PyCapsule, or an address, of signature {SIGNATURE}"
            )
        if not address:
            raise ArgumentError("the native function's address is NULL")
        self.address = address
        self.user = _user_address(user)
        self.keep = (function, user)

    def __repr__(self) -> str:
        return f"<NativeCallback at {self.address:#x} of {self.keep[0]!r}>"


def ctypes_type() -> Any:
    """The signature as a ctypes function type, to cast a library's function to."""
    pointer = ctypes.c_void_p
    return ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, ctypes.c_uint32, pointer, pointer)


def numba_signature() -> Any:
    """The signature for ``@numba.cfunc(...)``; `block` and `user` are ``voidptr``."""
    from numba import types

    floats: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call,unused-ignore]
    return types.int32(floats, floats, types.uint32, types.voidptr, types.voidptr)


def as_native(callback: Any) -> NativeCallback | None:
    """`callback` as a native one; None if it is not native."""
    if isinstance(callback, NativeCallback):
        return callback
    if isinstance(callback, int) or _address_of(callback) is None:
        return None
    return NativeCallback(callback)


def _address_of(function: Any) -> int | None:
    if isinstance(function, bool):
        return None
    if isinstance(function, int):
        return function
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return _ctypes_address(function)
    kind = type(function)
    if kind.__name__ == "PyCapsule":
        return _capsule_address(function)
    if kind.__module__.startswith("numba."):
        return _numba_address(function)
    if kind.__module__ == "_cffi_backend":
        backend = sys.modules["_cffi_backend"]
        return int(backend.FFI().cast("uintptr_t", function))
    return None


def _ctypes_address(function: Any) -> int:
    declared = function.argtypes
    if declared is not None:  # a library's function says nothing unless somebody declared it
        sizes = [ctypes.sizeof(kind) for kind in declared]
        pointer = ctypes.sizeof(ctypes.c_void_p)
        if (
            sizes != [pointer, pointer, 4, pointer, pointer]
            or declared[2] not in (ctypes.c_uint32, ctypes.c_int32)
            or function.restype is not ctypes.c_int32
        ):
            names = ", ".join(kind.__name__ for kind in declared)
            raise ArgumentTypeError(
                f"the ctypes function is declared as ({names}) with the result "
                f"{function.restype!r}; a callback has the signature "
                "voicecoil.native.ctypes_type()"
            )
    return ctypes.cast(function, ctypes.c_void_p).value or 0


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
    return _core.NativeCode(native.address, native.user, native.keep, mailbox, record)


# The exceptions that numba has compiled into a function, as pickles in LLVM's notation.
_RAISED = re.compile(r'@\.const\.pickledata\.\w+ = [^\n]*? c"((?:[^"\\]|\\[0-9A-Fa-f]{2})*)"')


def _raised(llvm: str) -> list[str]:
    """The names of the exceptions that compiled code may raise."""
    names = set()
    for data in _RAISED.findall(llvm):
        pickled = re.sub(
            rb"\\([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), data.encode("latin-1")
        )
        texts = [value for _, value, _ in pickletools.genops(pickled) if isinstance(value, str)]
        names.add(texts[1] if len(texts) > 1 else "an exception")
    return sorted(names)


def _refuse_what_raises(function: Any) -> None:
    """A cfunc that raises takes the GIL, prints, and goes on with whatever it was to return."""
    try:
        raised = _raised(function.inspect_llvm())
    except Exception:
        return  # another numba, which tells it otherwise
    if raised:
        raise ArgumentError(
            f"the cfunc may raise {', '.join(raised)}; on the device's thread that would wait for "
            "the GIL, and the stream would not hear of it. A division is none with "
            'error_model="numpy"; memory is made before (give it as `user`); for errors of your '
            "own return a negative number"
        )


def _numba_address(function: Any) -> int | None:
    address = getattr(function, "address", None)
    if address is None:
        raise ArgumentTypeError(
            f"{function!r} is compiled for calls from Python; decorate it with "
            "@numba.cfunc(voicecoil.native.numba_signature()) instead"
        )
    signature = getattr(function, "_sig", None)
    if signature is not None and signature != numba_signature():
        raise ArgumentTypeError(
            f"the cfunc has signature {signature}; a callback has {numba_signature()} "
            "(voicecoil.native.numba_signature())"
        )
    _refuse_what_raises(function)
    return int(address)


def _capsule_address(capsule: Any) -> int:
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = api.PyCapsule_GetName(capsule)
    if name is not None and _shape(name.decode()) != _shape(SIGNATURE):
        raise ArgumentTypeError(
            f"the capsule's name says its function is {name.decode()!r}; "
            f"a callback is {SIGNATURE!r}"
        )
    return api.PyCapsule_GetPointer(capsule, name) or 0


def _shape(signature: str) -> str:
    """What Cython's ``__pyx_capi__`` names and ours have in common."""
    for written, meant in (("const ", ""), (" const", ""), ("__pyx_t_", ""), (" noexcept", "")):
        signature = signature.replace(written, meant)
    inside = signature[signature.find("(") + 1 : signature.rfind(")")]
    return ",".join("*" if "*" in part else "value" for part in inside.split(","))


def _user_address(user: Any) -> int:
    if user is None:
        return 0
    if isinstance(user, int):
        return user
    if isinstance(user, ctypes._Pointer):
        return ctypes.cast(user, ctypes.c_void_p).value or 0
    if isinstance(user, (ctypes.Structure, ctypes.Array, ctypes._SimpleCData)):
        return ctypes.addressof(user)
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(user))
    except TypeError:
        raise ArgumentTypeError(
            f"user={user!r} has no address; give an integer, a ctypes object, or a writable buffer "
            "such as a NumPy array"
        ) from None
