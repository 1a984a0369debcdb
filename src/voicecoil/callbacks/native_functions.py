"""Addresses and declared signatures of native functions.

A function with another signature would read and write memory that does not belong to it. Therefore
the types that an object declares for its function are converted to C's notation and compared with
the callback's signature.
"""

from __future__ import annotations

import ctypes
import datetime
import pickletools
import re
import sys
from collections.abc import Sequence
from types import BuiltinFunctionType
from typing import Any

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentError, ArgumentTypeError

__all__ = ["SIGNATURE", "function_address", "numba_signature", "user_address"]

SIGNATURE = "int32_t (float *, const float *, uint32_t, const vc_block *, void *)"

_FIRST_ADDRESS = 4096  # no system maps the first page, so smaller numbers cannot be addresses
_PYTHON_API = 4  # ctypes' FUNCFLAG_PYTHONAPI marks functions that are called with the GIL held
_CAPSULE = type(datetime.datetime_CAPI)
_CFFI = "_cffi_backend"
_ANY_CTYPES: Any = ctypes._SimpleCData.__mro__[1]


def numba_signature() -> Any:
    """Return the signature for ``@numba.cfunc(...)``. `block` and `user` are ``voidptr``.

    Returns
    -------
    numba signature
        ``int32(float32*, float32*, uint32, voidptr, voidptr)``.
    """
    from numba import types

    floats: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call,unused-ignore]
    return types.int32(floats, floats, types.uint32, types.voidptr, types.voidptr)


def function_address(function: Any) -> int | None:
    """Return the address of a native function; 0 for NULL; None if it is not a native function.

    Raises
    ------
    ArgumentTypeError
        `function` is native and has another signature, or cannot be called without Python.
    ArgumentError
        `function` is a numba function that may raise an exception.
    """
    if isinstance(function, bool):
        return None
    if isinstance(function, int):
        return _checked(function, function)
    address = _declared_address(function)
    return address if address is None else _checked(address, function)


def _declared_address(function: Any) -> int | None:
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return _ctypes_address(function)
    kind = type(function)
    if kind is _CAPSULE:
        return _capsule_address(function)
    if kind.__module__.startswith("numba."):
        return _numba_address(function)
    if kind.__module__ == _CFFI:
        return _cffi_address(function)
    if kind is BuiltinFunctionType and type(function.__self__).__module__ == _CFFI:
        raise ArgumentTypeError(
            f"{shown(function)} is cffi's Python function that calls {function.__name__}(); give "
            f'its address, ffi.addressof(lib, "{function.__name__}")'
        )
    return None


def _checked(address: int, function: Any) -> int:
    if address and not _FIRST_ADDRESS <= address < 1 << 8 * ctypes.sizeof(ctypes.c_void_p):
        raise ArgumentTypeError(
            f"{shown(function)} is not a native function: nothing can be at the address {address}"
        )
    return address


# ---- declarations ------------------------------------------------------------------------------

_UNSAID = re.compile(r"\b(const|volatile|restrict|struct|union|noexcept|nogil)\b")
_WHOLE_32 = {"int", "signed int", "int32_t", "int32", "npy_int", "npy_int32"}
_FRAMES = _WHOLE_32 | {"unsigned int", "unsigned", "uint32_t", "uint32", "npy_uint", "npy_uint32"}
_FLOATS = {"float*", "float32_t*", "float32*", "npy_float*", "npy_float32*", "void*"}
_NUMBER = re.compile(
    r"(unsigned |signed )?(char|short|int|long|long long|float|double|long double|bool|_Bool"
    r"|u?int\d+(_t)?|float\d+(_t)?|size_t|ssize_t|npy_\w+)\*+"
)


def _plain(kind: str) -> str:
    """Return a C type in one spelling.

    For example, ``float const *`` becomes ``float*`` and Cython's ``__pyx_t_5numpy_float32_t *``
    becomes ``float32_t*``.
    """
    words = _UNSAID.sub(" ", kind.replace("*", " * ").replace("[]", " * "))
    words = re.sub(r"__pyx_t_(\w+)", lambda mangled: _unmangled(mangled[1]), words)
    return " ".join(words.split()).replace(" *", "*").replace("* ", "*")


def _unmangled(name: str) -> str:
    """Remove the names of modules that Cython puts before a name, each preceded by its length."""
    while length := re.match(r"\d+", name):
        name = name[length.end() + int(length[0]) + 1 :]
    return name


def _is_callback(result: str, arguments: Sequence[str]) -> bool:
    """Return whether these C types are those of `SIGNATURE` or compatible with them."""
    if len(arguments) != 5:
        return False
    output, given, frames, block, user = (_plain(kind) for kind in arguments)
    return (
        _plain(result) in _WHOLE_32
        and output in _FLOATS
        and given in _FLOATS
        and frames in _FRAMES
        and block.endswith("*")  # the structure's name differs between compilers and bindings
        and not _NUMBER.fullmatch(block)
        and user.endswith("*")
    )


def _refuse_other(what: str, result: str, arguments: Sequence[str], advice: str) -> None:
    if not _is_callback(result, arguments):
        raise ArgumentTypeError(
            f"{what} {result} ({', '.join(arguments)}); a callback is {SIGNATURE}{advice}"
        )


# ---- ctypes, cffi, numba, capsules -------------------------------------------------------------


def _c_name(kind: Any) -> str:
    """Return the name of a ctypes type in C's notation."""
    if kind is None:
        return "void"
    if not isinstance(kind, type):
        return shown(kind)
    if issubclass(kind, ctypes._Pointer):
        return f"{_c_name(kind._type_)} *"
    if issubclass(kind, ctypes.c_void_p):
        dtype = getattr(kind, "_dtype_", None)  # set by numpy.ctypeslib.ndpointer
        return "void *" if dtype is None else f"{dtype.name} *"
    if issubclass(kind, ctypes.c_char_p):
        return "char *"
    if issubclass(kind, ctypes._SimpleCData) and (code := getattr(kind, "_type_", "")) in "bhilq":
        return f"int{8 * ctypes.sizeof(kind)}_t"
    if issubclass(kind, ctypes._SimpleCData) and code in "BHILQ":
        return f"uint{8 * ctypes.sizeof(kind)}_t"
    return kind.__name__.removeprefix("c_")


def _ctypes_address(function: Any) -> int:
    if function._flags_ & _PYTHON_API:
        raise ArgumentTypeError(
            f"{shown(function)} is a function that needs the GIL (ctypes.pythonapi, PyDLL, "
            "PYFUNCTYPE); a callback is called without it: use voicecoil.native.ctypes_type()"
        )
    declared = function.argtypes
    if declared is not None:  # None unless the program has set `argtypes`
        _refuse_other(
            "the ctypes function is declared as",
            _c_name(function.restype),
            [_c_name(kind) for kind in declared],
            ": voicecoil.native.ctypes_type() has that signature",
        )
    return ctypes.cast(function, ctypes.c_void_p).value or 0


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


# Matches the exceptions that numba has compiled into a function, as pickles in LLVM's notation.
_RAISED = re.compile(r'@\.const\.pickledata\.\w+ = [^\n]*? c"((?:[^"\\]|\\[0-9A-Fa-f]{2})*)"')


def _raised(llvm: str) -> list[str]:
    """Return the names of the exceptions that compiled code may raise."""
    names = set()
    for data in _RAISED.findall(llvm):
        pickled = re.sub(
            rb"\\([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), data.encode("latin-1")
        )
        texts = [value for _, value, _ in pickletools.genops(pickled) if isinstance(value, str)]
        names.add(texts[1] if len(texts) > 1 else "an exception")
    return sorted(names)


def _refuse_what_raises(function: Any) -> None:
    """Refuse a cfunc that may raise.

    A cfunc that raises takes the GIL, prints the exception, and returns an arbitrary value.
    """
    try:
        raised = _raised(function.inspect_llvm())
    except Exception:
        return  # this version of numba does not list exceptions in this form
    if raised:
        raise ArgumentError(
            f"the cfunc may raise {', '.join(raised)}; this would wait for the GIL on the device's "
            "thread, and would not end the stream. For divisions, compile with "
            'error_model="numpy". Allocate memory before, and give it as `user`. For your own '
            "errors, return a negative number"
        )


def _capsule_address(capsule: Any) -> int:
    get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", ctypes.pythonapi)
    )
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    name = get_name(capsule)
    if name is None:
        raise ArgumentTypeError(
            f"the capsule has no name; name it after the function's signature, {SIGNATURE!r}, or "
            "give the function's address as an integer"
        )
    said = name.decode(errors="replace")
    result, opening, inside = said.partition("(")
    if not opening:
        inside = ""
    if not _is_callback(result, inside[: inside.rfind(")")].split(",")):
        raise ArgumentTypeError(
            f"the capsule's name says its function is {said!r}; a callback is {SIGNATURE!r}"
        )
    return get_pointer(capsule, name) or 0


def _cffi_address(function: Any) -> int | None:
    backend = sys.modules[_CFFI]
    try:
        kind = backend.typeof(function)
    except TypeError:
        return None  # an object of cffi without a C type, such as a library
    if kind.kind not in ("function", "pointer"):
        raise ArgumentTypeError(f"{shown(function)} is data; give a function pointer, {SIGNATURE}")
    address = int(backend.FFI().cast("uintptr_t", function))
    if address and kind.kind == "pointer":
        raise ArgumentTypeError(
            f"{shown(function)} points to data, {kind.cname!r}; give a function pointer, "
            f"{SIGNATURE}. An address that is one: ffi.cast("
            '"int32_t (*)(float *, float *, uint32_t, void *, void *)", it)'
        )
    if address:
        arguments = [argument.cname for argument in kind.args] + ["..."] * bool(kind.ellipsis)
        _refuse_other("the cffi function is", kind.result.cname, arguments, "")
    return address


# ---- the argument `user` -----------------------------------------------------------------------


def user_address(user: Any) -> tuple[int, Any]:
    """Return the address of `user` and an object that keeps its memory at that address.

    Raises
    ------
    ArgumentTypeError
        `user` has no address.
    """
    if user is None:
        return 0, None
    if isinstance(user, int) and not isinstance(user, bool):
        return _number_address(user), None
    if isinstance(user, (ctypes._Pointer, ctypes._CFuncPtr, ctypes.c_void_p)):  # type: ignore[attr-defined]
        return ctypes.cast(user, ctypes.c_void_p).value or 0, user
    if isinstance(user, _ANY_CTYPES):
        return ctypes.addressof(user), user
    if type(user).__module__ == _CFFI:
        return _cffi_data_address(user), user
    try:
        # Hold an export of the buffer. Otherwise a bytearray could be resized, which frees its
        # memory while the callback uses it.
        export = ctypes.c_char.from_buffer(user)
    except (TypeError, ValueError, BufferError):
        raise ArgumentTypeError(
            f"user={shown(user)} has no address; give an integer, a ctypes object, a cffi pointer, "
            "or a writable and contiguous buffer that is not empty, such as a NumPy array"
        ) from None
    return ctypes.addressof(export), export


def _number_address(user: int) -> int:
    if user and not _FIRST_ADDRESS <= user < 1 << 8 * ctypes.sizeof(ctypes.c_void_p):
        raise ArgumentTypeError(
            f"user={shown(user)} is not an address; to hand over a number give its memory, such as "
            "ctypes.c_int64(number)"
        )
    return user


def _cffi_data_address(user: Any) -> int:
    backend = sys.modules[_CFFI]
    try:
        kind = backend.typeof(user).kind
    except TypeError:
        kind = ""
    if kind not in ("pointer", "array"):
        raise ArgumentTypeError(
            f"user={shown(user)} has no address; give a cffi pointer, such as ffi.new() returns"
        )
    return int(backend.FFI().cast("uintptr_t", user))
