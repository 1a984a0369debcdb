"""The private parts of CPython and NumPy that this library uses: see decision 17."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from paths import ROOT
from voicecoil import _block, _core
from voicecoil.errors import CallbackResultError, EscapedBlockError

PACKAGE = Path(vc.__file__).parent
MODULES = sorted(PACKAGE.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))
TABLE = ROOT / "docs" / "decisions" / "0017-private-symbols.md"
needs_nm = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("nm") is None, reason="NOT TESTED: there is no nm"
)


def wanted(module: Path) -> set[str]:
    """Returns the undefined symbols of a module. It cannot be loaded if one of them is missing."""
    command = ["nm", "-D", "--undefined-only", str(module)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


@needs_nm
def test_private_symbols_that_a_module_cannot_be_loaded_without_are_listed() -> None:
    listed = set(re.findall(r"`(_Py\w+)`", TABLE.read_text()))
    for module in MODULES:
        private = {name for name in wanted(module) if name.startswith("_Py")}
        assert private - listed == set(), module.name
        assert "_PyRuntime" not in private, "a Python that hides it could not load the module"


@needs_nm
def test_variables_of_threads_are_in_memory_that_every_thread_has() -> None:
    """Otherwise glibc allocates a thread-local variable when a thread first uses it, and this
    thread may be an IO thread.
    """
    for module in MODULES:
        assert "__tls_get_addr" not in wanted(module), module.name


def test_the_private_call_has_four_parameters() -> None:
    """_PyEval_AddPendingCall must have four parameters in every version of Python in which it is
    called.
    """
    header = Path(sysconfig.get_paths()["include"], "internal", "pycore_ceval.h")
    if _core.preempt_kind() != 2 and sys.version_info < (3, 12):
        pytest.skip("it is not used here")
    found = re.search(r"_PyEval_AddPendingCall\(([^;]*)\);", header.read_text())
    assert found is not None
    types = [" ".join(parameter.split()) for parameter in found[1].split(",")]
    assert types[0] == "PyInterpreterState *interp"
    assert types[1] in ("int (*func)(void *)", "_Py_pending_call_func func")
    assert types[2] == "void *arg"
    assert types[3] in ("int mainthreadonly", "int flags")
    assert len(types) == 4


# ---- arrays with another memory layout ----------------------------------------------------------


class OtherStrides(np.ndarray[Any, Any]):
    @property
    def strides(self) -> tuple[int, ...]:  # type: ignore[override]
        return (8, 8)


class OtherData(np.ndarray[Any, Any]):
    @property
    def __array_interface__(self) -> dict[str, Any]:  # type: ignore[override]
        interface: dict[str, Any] = super().__array_interface__
        return {**interface, "data": (0, False)}


class Small:
    """An object with less memory than the head of an array."""


def open_with(view: Any) -> None:
    memory = _block.memory(64, 2, False)
    types = (vc.Stop, EscapedBlockError, CallbackResultError)
    views = [None, view(memory)]
    _core.PythonCode(print, views, (None, memory), 48_000.0, False, types, None, None)


def test_a_regular_array_is_accepted() -> None:
    open_with(np.asarray)


@pytest.mark.parametrize("dtype", ["i4", "f4"])
def test_an_array_with_another_byte_order_is_refused(dtype: str) -> None:
    """Before the fix, its samples were taken as this machine's."""
    other = np.dtype(dtype).newbyteorder("S")
    with pytest.raises(TypeError, match="samples of an unknown type"):
        open_with(lambda memory: np.asarray(memory).view(other))


@pytest.mark.parametrize("kind", [OtherStrides, OtherData])
def test_an_array_with_inconsistent_fields_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match='arrays="memoryview"'):
        open_with(lambda memory: np.asarray(memory).view(kind))


def test_an_object_too_small_to_be_an_array_is_refused() -> None:
    with pytest.raises(TypeError, match="a block's view is an array or a memoryview"):
        open_with(lambda memory: Small())
