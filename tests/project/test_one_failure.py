"""A test that fails does not fail the tests that follow it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from paths import TESTS

TESTS_OF_ONE_PROCESS = """
import voicecoil as vc
from losing import is_away, no_thread_stays, two_devices, unplug

def test_that_fails():
    one, two, driver = two_devices()
    stream = vc.OutputStream(lambda block: None, driver=driver, device="One", on_device_lost="wait")
    stream.start()
    unplug(one)
    is_away(stream)
    raise RuntimeError("meant")

def test_that_follows():
    no_thread_stays()

def test_with_a_watched_stream():
    one, two, driver = two_devices()
    with vc.OutputStream(lambda block: None, driver=driver, on_device_lost="wait") as stream:
        unplug(one)
        is_away(stream)
"""


def test_streams_of_a_failed_test_are_closed(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TESTS_OF_ONE_PROCESS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = realtime\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "conftest", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "\n1 failed, 2 passed in" in done.stdout, done.stdout + done.stderr
    assert "RuntimeError: meant" in done.stdout
