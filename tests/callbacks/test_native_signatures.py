"""Native functions with another signature, and Python objects that look like native functions."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from compiler import compiled_library
from natives import Gain, address_of, capsule, function, heard_of
from voicecoil.callbacks.native import ctypes_type
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

# ---- capsules, addresses, ctypes ---------------------------------------------------------------

ELEMENTS = [b"double", b"int16_t", b"int", b"char", b"float *"]
OTHERS = [
    *(b"int32_t (%s *, %s const *, uint32_t, vc_block const *, void *)" % (e, e) for e in ELEMENTS),
    b"int32_t (float *, float const *, uint64_t, vc_block const *, void *)",
    b"int32_t (float *, float const *, double, vc_block const *, void *)",
    b"int32_t (float *, float const *, uint32_t, float const *, void *)",
    b"int32_t (float *, float const *, uint32_t, vc_block const *, size_t)",
    b"int32_t (float, float, uint32_t, vc_block const *, void *)",
    b"double (float *, float const *, uint32_t, vc_block const *, void *)",
    b"int64_t (float *, float const *, uint32_t, vc_block const *, void *)",
    b"void (float *, float const *, uint32_t, vc_block const *, void *)",
    b"int32_t (float *, float const *, uint32_t, vc_block const *)",
    b"\xff\xfe",
]


@pytest.mark.parametrize("name", OTHERS)
def test_a_capsule_of_another_signature(name: bytes, library: ctypes.CDLL) -> None:
    """Before the fix, a function for samples of type double was accepted. It wrote beyond the end
    of every block.
    """
    with pytest.raises(vc.ArgumentTypeError, match="capsule's name"):
        vc.NativeCallback(capsule(address_of(library), name))


@pytest.mark.parametrize(
    "name",
    [
        b"int (__pyx_t_5numpy_float32_t *, __pyx_t_5numpy_float32_t const *, unsigned int, "
        b"struct __pyx_t_4some_5where_vc_block const *, struct mine *)",
        b"int32_t (float*, const float*, int, void*, void*) noexcept",
    ],
)
def test_a_capsule_of_the_same_signature_in_other_words(name: bytes, library: ctypes.CDLL) -> None:
    assert vc.NativeCallback(capsule(address_of(library), name)).address == address_of(library)


def test_a_capsule_without_a_name_is_refused(library: ctypes.CDLL) -> None:
    with pytest.raises(vc.ArgumentTypeError, match=r"capsule has no name.*address as an integer"):
        vc.NativeCallback(capsule(address_of(library), None))


@pytest.mark.parametrize("address", [-1, 1, 4095, -(2**63), 2**64, 2**200])
def test_numbers_at_which_no_function_can_be(address: int, library: ctypes.CDLL) -> None:
    with pytest.raises(vc.ArgumentTypeError, match="is not a native function: nothing can be at"):
        vc.NativeCallback(address)
    with pytest.raises(vc.ArgumentTypeError, match="is not an address; to hand over a number"):
        vc.NativeCallback(function(library), address)


@pytest.mark.parametrize(
    "declared",
    [
        [ctypes.POINTER(ctypes.c_double)] * 2 + [ctypes.c_uint32] + [ctypes.c_void_p] * 2,
        [np.ctypeslib.ndpointer(np.float64)] * 2 + [ctypes.c_uint32] + [ctypes.c_void_p] * 2,
        [ctypes.c_double] * 2 + [ctypes.c_uint32] + [ctypes.c_void_p] * 2,
        [ctypes.c_void_p] * 2 + [ctypes.c_float] + [ctypes.c_void_p] * 2,
        [ctypes.c_void_p] * 2 + [ctypes.c_uint32] + [ctypes.c_double] * 2,
    ],
)
def test_a_ctypes_function_of_other_types(declared: Any, library: ctypes.CDLL) -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *declared)
    with pytest.raises(vc.ArgumentTypeError, match="the ctypes function is declared as int"):
        vc.NativeCallback(kind(("vc_test_gain", library)))


def test_a_ctypes_function_of_the_same_types_in_other_words(library: ctypes.CDLL) -> None:
    floats = ctypes.POINTER(ctypes.c_float)
    ndarray = np.ctypeslib.ndpointer(np.float32)
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, floats, ndarray, ctypes.c_uint, ctypes.POINTER(Gain), ctypes.POINTER(Gain)
    )
    assert vc.NativeCallback(kind(("vc_test_gain", library))).address == address_of(library)


def test_a_function_that_needs_the_gil() -> None:
    with pytest.raises(vc.ArgumentTypeError, match="needs the GIL"):
        vc.NativeCallback(ctypes.pythonapi.PyErr_Clear)


def imported(source: Path, name: str) -> Any:
    """Compiles the C source of an extension module and imports the module."""
    built = compiled_library(source, source.parent, sysconfig.get_paths()["include"])
    loader = importlib.machinery.ExtensionFileLoader(name, str(built))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# ---- cffi --------------------------------------------------------------------------------------

DECLARED = "int32_t %s(float *, const float *, uint32_t, const vc_block *, void *);"


class TestCffi:
    @pytest.fixture
    def ffi(self) -> Any:
        cffi = pytest.importorskip("cffi", reason="NOT TESTED: cffi is not installed")
        ffi = cffi.FFI()
        ffi.cdef("typedef struct vc_block vc_block;")
        return ffi

    @pytest.mark.parametrize(
        "declared",
        [
            "int32_t %s(double *, const double *, uint32_t, const vc_block *, void *);",
            "int32_t %s(float *, const float *, uint32_t, const vc_block *);",
            "int32_t %s(float *, const float *, uint32_t, const vc_block *, void *, ...);",
            "double %s(float *, const float *, uint32_t, const vc_block *, void *);",
            "void %s(void);",
        ],
    )
    def test_a_function_of_another_type(
        self, ffi: Any, declared: str, library: ctypes.CDLL
    ) -> None:
        ffi.cdef(declared % "vc_test_gain")
        opened = ffi.dlopen(library._name)
        with pytest.raises(vc.ArgumentTypeError, match=r"the cffi function is .*; a callback is"):
            vc.NativeCallback(opened.vc_test_gain)

    @pytest.mark.parametrize("kind", ["float[8]", "int *", "char[100]"])
    def test_a_pointer_to_data(self, ffi: Any, kind: str) -> None:
        """Before the fix, the library called the data as if they were a function."""
        with pytest.raises(vc.ArgumentTypeError, match=r"data.*; give a function pointer"):
            vc.NativeCallback(ffi.new(kind))

    def test_cffi_objects_that_are_no_pointers(self, ffi: Any, library: ctypes.CDLL) -> None:
        with pytest.raises(vc.ArgumentTypeError, match="is data; give a function pointer"):
            vc.NativeCallback(ffi.cast("int", 5))
        for thing in (ffi, ffi.typeof("int *"), ffi.dlopen(library._name)):
            with pytest.raises(vc.ArgumentTypeError, match="is not a native function"):
                vc.NativeCallback(thing)

    def test_user_data(
        self, ffi: Any, library: ctypes.CDLL, stepped: VirtualDevice, driver: VirtualDriver
    ) -> None:
        ffi.cdef("typedef struct { float factor; int blocks_left; uint64_t frames; } Gain;")
        user = ffi.new("Gain *", {"factor": 0.5})
        callback = vc.NativeCallback(function(library), user)
        assert (heard_of(stepped, driver, callback) == 0.5).all()
        assert user.frames == 192
        with pytest.raises(vc.ArgumentTypeError, match="give a cffi pointer"):
            vc.NativeCallback(function(library), user[0])

    def test_a_function_of_a_compiled_library_names_how_to_get_its_address(
        self, ffi: Any, tmp_path: Path
    ) -> None:
        """`lib.f` is a Python function. Before the fix, the library called it with the Block, and
        the call failed in the first block.
        """
        declared = "int32_t quiet(float *, const float *, uint32_t, const vc_block *, void *)"
        ffi.cdef(f"{declared};")
        body = "(float *o, const float *i, uint32_t f, const vc_block *b, void *u) { return 0; }"
        source = f'#include "voicecoil.h"\nstatic int32_t quiet{body}'
        ffi.set_source("voicecoil_compiled", source)
        ffi.emit_c_code(str(tmp_path / "compiled.c"))
        module = imported(tmp_path / "compiled.c", "voicecoil_compiled")
        with pytest.raises(vc.ArgumentTypeError, match=r'ffi\.addressof\(lib, "quiet"\)'):
            vc.OutputStream(module.lib.quiet)
        assert vc.NativeCallback(module.ffi.addressof(module.lib, "quiet")).address > 0


# ---- Python code behind a native function ------------------------------------------------------


def python_of_ctypes(call: Callable[..., Any]) -> Any:
    return ctypes_type()(call)


def python_of_cffi(call: Callable[..., Any]) -> Any:
    cffi = pytest.importorskip("cffi", reason="NOT TESTED: cffi is not installed")
    return cffi.FFI().callback("int32_t(float *, float *, uint32_t, void *, void *)", call)


@pytest.mark.parametrize("made", [python_of_ctypes, python_of_cffi])
def test_an_exception_of_python_code_ends_the_stream(
    made: Any,
    stepped: VirtualDevice,
    driver: VirtualDriver,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Before the fix, every block printed the exception, and the stream continued with silence."""
    meant = KeyError("meant")
    calls = []

    def fails(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise meant
        return 0

    native = made(fails)
    stream = vc.OutputStream(native, driver=driver)
    other = vc.OutputStream(made(lambda *arguments: 0), driver=driver)
    other.start()
    for count in (2, 3):
        stream.start()
        stepped.step(4)
        if count == 2:
            with pytest.raises(KeyError) as caught:
                stream.wait(5)
            assert caught.value is meant
            assert caught.traceback[-1].name == "fails"
    assert other.active
    assert len(calls) == 2 + 4, "the stream was started again, without the earlier exception"
    stream.abort()
    other.abort()
    stream.close()
    other.close()
    assert capfd.readouterr() == ("", "")


def test_exceptions_of_other_code_are_not_redirected(
    stepped: VirtualDevice, driver: VirtualDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dropped:
        def __del__(self) -> None:
            raise KeyError("elsewhere")

    heard = []
    monkeypatch.setattr("sys.unraisablehook", lambda one: heard.append(one.exc_type))
    with vc.OutputStream(ctypes_type()(lambda *arguments: 0), driver=driver) as stream:
        stepped.step(1)
        Dropped()
        stepped.step(1)
        assert stream.active
        stream.abort()
    assert heard == [KeyError]


CYTHON = """
from libc.stdint cimport int32_t, uint32_t
cdef extern from "voicecoil.h":
    ctypedef struct vc_block:
        pass
cdef api int32_t fails(float *output, const float *given, uint32_t frames,
                       const vc_block *block, void *user) noexcept with gil:
    raise KeyError("meant")
cdef api int32_t doubles(double *output, const double *given, uint32_t frames,
                         const vc_block *block, void *user) noexcept nogil:
    return 0
"""


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_functions_of_cython(
    stepped: VirtualDevice,
    driver: VirtualDriver,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("Cython", reason="NOT TESTED: Cython is not installed")
    source = tmp_path / "functions.pyx"
    source.write_text(CYTHON)
    subprocess.run([sys.executable, "-m", "cython", "-3", str(source)], check=True)
    functions = imported(source.with_suffix(".c"), "functions").__pyx_capi__
    with pytest.raises(vc.ArgumentTypeError, match=r"capsule's name says .*double"):
        vc.NativeCallback(functions["doubles"])
    with vc.OutputStream(functions["fails"], driver=driver) as stream:
        stepped.step(1)
        with pytest.raises(KeyError, match="meant"):
            stream.wait(5)
    assert capfd.readouterr().err.count("KeyError") == 1, "Cython prints the exception once"
