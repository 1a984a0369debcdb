"""An extension that uses the bridge wrongly gets an error, and does not crash."""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import voicecoil as vc
from compiler import compiled_library

OK, RAISED, CLOSED, NO_WAY = 0, -1, -2, 1
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture(scope="module")
def misuse(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = Path(__file__).with_name("misuse.c")
    folder = tmp_path_factory.mktemp("misuse")
    include = sysconfig.get_paths()["include"], vc.get_include()
    library = ctypes.PyDLL(str(compiled_library(source, folder, *include)))
    library.misuse_new_isolated.argtypes = [ctypes.c_char_p]
    library.misuse_close.argtypes = [ctypes.py_object, ctypes.c_double]
    for name in ("call", "free_inside"):
        getattr(library, f"misuse_{name}").argtypes = [ctypes.py_object, ctypes.c_int][
            : 2 if name == "call" else 1
        ]
    for name in ("call", "new_null", "new_isolated", "close_null", "close", "null", "free"):
        getattr(library, f"misuse_{name}").restype = ctypes.py_object
    library.misuse_free_inside.restype = ctypes.py_object
    assert library.misuse_import() == 0
    return library


@pytest.mark.parametrize(
    ("kind", "answer", "error", "text", "calls"),
    [
        (0, NO_WAY, TypeError, "arguments returned a list; return a tuple", 0),
        (1, NO_WAY, SystemError, "arguments failed without an exception", 0),
        (2, NO_WAY, KeyError, "meant", 0),
        (3, RAISED, KeyError, "meant", 0),
        (4, RAISED, SystemError, "before failed without an exception", 0),
        (5, RAISED, KeyError, "meant", 2),
        (6, RAISED, SystemError, "after failed without an exception", 2),
        (7, NO_WAY, TypeError, "arguments returned an int; return a tuple", 0),
    ],
)
def test_functions_that_break_the_rules(
    misuse: Any, kind: int, answer: int, error: type[Exception], text: str, calls: int
) -> None:
    called = []
    answers, exception, dropped = misuse.misuse_call(lambda: called.append(1), kind)
    assert answers == (answer, answer)
    assert type(exception) is error
    assert text in str(exception)
    assert (len(called), dropped) == (calls, int(answer == RAISED))


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda m: m.misuse_new_null(), vc.ArgumentTypeError, "callable=<NULL> cannot be called"),
        (lambda m: m.misuse_new_isolated(None), vc.ArgumentTypeError, "name=<NULL>; give"),
        (lambda m: m.misuse_close_null(), vc.ArgumentTypeError, "gate=<NULL>; give"),
        (lambda m: m.misuse_close(print, -1.0), vc.ArgumentError, r"timeout_s=-1\.0 s"),
        (lambda m: m.misuse_close(print, NAN), vc.ArgumentError, "timeout_s=nan s"),
    ],
)
def test_arguments_that_cannot_work(
    misuse: Any, wrong: Callable[[Any], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        wrong(misuse)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12")
@pytest.mark.parametrize("name", [b"\xff:x", b"", b":", b"a b:c"])
def test_names_that_no_module_has(misuse: Any, name: bytes) -> None:
    with pytest.raises(vc.ArgumentError, match="a module and a name in it"):
        misuse.misuse_new_isolated(name)


def test_a_gate_may_be_waited_for_without_end(misuse: Any) -> None:
    assert misuse.misuse_close(print, INFINITE) == 0


def test_null_is_no_gate_and_no_way(misuse: Any) -> None:
    assert misuse.misuse_null() == (False, CLOSED, False, 0)


def test_a_gate_that_is_freed_in_its_own_call_is_shown(
    misuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    assert misuse.misuse_free_inside(misuse.misuse_free) == OK
    assert [type(one.exc_value) for one in shown] == [vc.StreamStateError]
    assert "cannot close the gate through which it is called" in str(shown[0].exc_value)
