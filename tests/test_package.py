"""The package as a whole: its names, its documentation, and the modules that importing it loads."""

from __future__ import annotations

import inspect
import subprocess
import sys
import sysconfig

import pytest

import voicecoil as vc


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return result.stdout.strip()


def test_import_brings_in_neither_numpy_nor_the_core() -> None:
    heavy = "numpy", "soundfile", "soxr", "rich", "voicecoil._core", "dataclasses", "inspect"
    loaded = run(f"import sys, voicecoil; print([m for m in {heavy} if m in sys.modules])")
    assert loaded == "[]"


def test_plain_python_streams_do_not_import_numpy() -> None:
    code = """
import sys, voicecoil as vc
def stop(block):
    block.output[0, 0] = 0.5
    raise vc.Stop
stream = vc.OutputStream(stop, arrays="memoryview", blocksize=64)
stream.start()
assert stream.wait(10)
stream.close()
print("numpy" in sys.modules)
"""
    assert run(code) == "False"


def test_a_stream_loads_nothing_that_only_files_need() -> None:
    """The names of the conversion's qualities once came from the module of all files."""
    heavy = "voicecoil.files.source", "voicecoil.files.sink", "soundfile", "soxr", "av"
    loaded = f"[m for m in {heavy} if m in sys.modules]"
    code = f"import sys, voicecoil; voicecoil.OutputStream; print({loaded})"
    assert run(code) == "[]"


def test_a_file_that_is_read_loads_nothing_that_only_other_files_need() -> None:
    heavy = "voicecoil.files.sink", "voicecoil.files.av_decoder", "soxr", "av"
    code = f"import sys, voicecoil.files.source; print([m for m in {heavy} if m in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.parametrize("name", vc.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(vc, name)
    if name == "__version__":
        return
    assert value.__doc__, f"{name} has no docstring"
    if inspect.isclass(value) and value.__module__.startswith("voicecoil"):
        for member, thing in vars(value).items():
            if not member.startswith("_") and (callable(thing) or isinstance(thing, property)):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member} has no docstring"


def test_names_do_not_become_modules_in_any_order_of_imports() -> None:
    code = """
import pkgutil, importlib, types, voicecoil as vc
for module in pkgutil.walk_packages(vc.__path__, "voicecoil."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print([name for name in vc.__all__ if isinstance(getattr(vc, name), types.ModuleType)])
"""
    assert run(code) == "[]"


@pytest.mark.parametrize("name", ["conversion", "drivers", "errors", "files", "native", "testing"])
def test_modules_are_there_without_an_import_of_their_own(name: str) -> None:
    assert run(f"import voicecoil; print(voicecoil.{name}.__name__)") == f"voicecoil.{name}"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        vc.no_such_name  # noqa: B018
    assert set(vc.__all__) <= set(dir(vc))


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (vc.ArgumentError, ValueError),
        (vc.ArgumentTypeError, TypeError),
        (vc.CallbackResultError, TypeError),
        (vc.DeviceLostError, OSError),
        (vc.DeviceNotFoundError, LookupError),
        (vc.DriverError, OSError),
        (vc.EscapedBlockError, BufferError),
        (vc.FileFormatError, ValueError),
        (vc.FileMissingError, FileNotFoundError),
        (vc.ForkedError, RuntimeError),
        (vc.NativeCallbackError, RuntimeError),
        (vc.StreamClosedError, RuntimeError),
        (vc.StreamStateError, RuntimeError),
        (vc.StreamTimeoutError, TimeoutError),
    ],
)
def test_errors_are_ours_and_the_matching_builtin(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, vc.VoicecoilError)
    assert issubclass(error, builtin)


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason="this Python is not free-threaded",
)
def test_a_free_threaded_python_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each extension module declares that it needs no GIL. Otherwise Python would enable the GIL
    when it imports the module.
    """
    monkeypatch.delenv("PYTHON_GIL", raising=False)
    modules = ["_core", "_block", "drivers.coreaudio._hal", "drivers.miniaudio._io"]
    modules += ["stress._native"]
    imports = ", ".join(f"voicecoil.{module}" for module in modules)
    assert run(f"import sys, {imports}; print(sys._is_gil_enabled())") == "False"
