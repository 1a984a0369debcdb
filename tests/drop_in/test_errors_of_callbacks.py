"""Exceptions in callbacks of voicecoil.sounddevice: no crash, and no further call."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

import voicecoil.sounddevice as sd
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounddevice import sounds

RAW = """
    import gc
    import voicecoil.sounddevice as sd
    def {kind}_callback(*arguments):
        raise ValueError("x")
    def main():
        stream = sd.{kind}(channels=1, dtype="int16", callback={kind}_callback)
        stream.start()
        while stream.active:
            sd.sleep(5)
        try:
            stream.close()
        except ValueError as error:
            print("caught", error)
    main()
    gc.collect()
    print("end")
"""


@pytest.mark.parametrize("kind", ["RawInputStream", "RawOutputStream", "RawStream"])
def test_the_exception_of_a_raw_callback_crashes_nothing(kind: str) -> None:
    """The collector crashed on the memoryviews that the exception's frames kept."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RAW).format(kind=kind)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "VOICECOIL_DRIVER": "virtual"},
    )
    assert (done.returncode, done.stdout) == (0, "caught x\nend\n"), done.stderr
    assert "BufferError" not in done.stderr


@pytest.fixture
def _device() -> Iterator[None]:
    sd.options.driver = VirtualDriver([VirtualDevice(clock="free", frames=512)])
    yield
    sd.stop()
    sounds._newest = None
    sd.options.__init__()  # type: ignore[misc]


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("samplerate", [48_000, 44_100, 24_000])
@pytest.mark.parametrize("error", [ValueError, sd.CallbackAbort, sd.CallbackStop])
def test_a_callback_that_raised_is_not_called_again(
    samplerate: int, error: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    """A stream that converts called it up to four times for one block of the device."""
    calls = []

    def callback(*arguments: object) -> None:
        calls.append(1)
        raise error("x")

    stream = sd.OutputStream(channels=1, samplerate=samplerate, callback=callback)
    stream.start()
    until(lambda: not stream.active)
    if error is ValueError:
        with pytest.raises(ValueError, match="x"):
            stream.close()
    else:
        stream.close()
    assert len(calls) == 1
    assert capfd.readouterr().err.count("Traceback") == (error is ValueError)
