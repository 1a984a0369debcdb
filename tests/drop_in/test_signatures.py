"""Names, signatures and defaults are those of the installed sounddevice."""

from __future__ import annotations

import inspect
import os
from types import ModuleType
from typing import Any

import pytest

import voicecoil.sounddevice as ours

PRIVATE = ["_initialize", "_terminate", "_split", "_StreamBase", "_InputStreamBase"]
PRIVATE += ["_OutputStreamBase", "_InputOutputPair"]


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    """The real sounddevice. Its library PortAudio prints ALSA's errors when it is loaded."""
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        pytest.skip(f"NOT TESTED: sounddevice cannot be imported: {error}")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
    assert sounddevice.__version__ == ours.__version__
    return sounddevice  # type: ignore[no-any-return]


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def public(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_") and name != "default"]


def test_each_public_name_exists(theirs: ModuleType) -> None:
    assert [name for name in (*public(theirs), *PRIVATE) if not hasattr(ours, name)] == []


def test_functions_have_the_same_parameters_and_defaults(theirs: ModuleType) -> None:
    compared = []
    for name in (*public(theirs), "_initialize", "_terminate", "_split"):
        function = getattr(theirs, name)
        if inspect.isfunction(function):
            assert parameters(getattr(ours, name)) == parameters(function), name
            compared.append(name)
    assert len(compared) >= 16


def test_classes_have_the_same_methods_properties_and_parameters(theirs: ModuleType) -> None:
    compared = []
    for name in (*public(theirs), *PRIVATE):
        kind = getattr(theirs, name)
        if not inspect.isclass(kind):
            continue
        own = getattr(ours, name)
        for member in dir(kind):
            if member.startswith("_") and member not in ("__init__", "__enter__", "__exit__"):
                continue
            value = inspect.getattr_static(kind, member)
            found = inspect.getattr_static(own, member, None)
            assert found is not None or value is None, f"{name}.{member}"
            if isinstance(value, property):
                assert (value.fset is None) == (found.fset is None), f"{name}.{member}"
            elif inspect.isfunction(value) and member != "__exit__":
                assert parameters(found) == parameters(value), f"{name}.{member}"
                compared.append(f"{name}.{member}")
    assert len(compared) >= 50


def test_default_values_are_the_same(theirs: ModuleType) -> None:
    for name in ("channels", "dtype", "latency", "extra_settings"):
        pairs = [repr(getattr(module.default, name)) for module in (ours, theirs)]
        assert pairs[0] == pairs[1]
    for name in vars(type(theirs.default)):
        if not name.startswith("_"):
            assert hasattr(ours.default, name), name


def test_docstrings_are_our_own(theirs: ModuleType) -> None:
    for name in public(theirs):
        text = getattr(ours, name).__doc__
        assert text, name
        assert text != getattr(theirs, name).__doc__
