"""The voice agent of the examples: interrupted, with a device that is unplugged, and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import voicecoil as vc
from coreaudio import Worlds, simulator_path
from paths import EXAMPLES
from voicecoil.testing import VirtualDevice, VirtualDriver
from voicecoil.testing.simulated_driver import DEVICES
from voicecoil.testing.simulator_library import ENVIRONMENT

EXAMPLE = EXAMPLES / "voice_agent.py"
SPEAKERS = "uid=Speakers; name=Speakers; out=2; rate=48000; rates=48000"


def test_the_example_has_at_most_40_lines_of_code() -> None:
    body = EXAMPLE.read_text().split('"""', 2)[2].splitlines()
    code = [line.strip() for line in body]
    assert len([line for line in code if line and not line.startswith(("#", '"""'))]) <= 40


@contextmanager
def removable(kind: str) -> Iterator[tuple[Any, Callable[[], object], Callable[[], object]]]:
    """A driver with one output device, and what unplugs the device and plugs it in again."""
    if kind == "virtual":
        device = VirtualDevice("Speakers", clock="real", frames=480)
        yield VirtualDriver([device]), lambda: device.inject("unplug"), device.replug
        return
    with Worlds() as worlds:
        world = worlds(devices=[SPEAKERS], clock="real")
        simulated = world.device("Speakers")
        yield world.driver, simulated.remove, simulated.replug


@pytest.mark.parametrize("kind", ["virtual", "coreaudio"])
def test_the_words_before_an_interruption_are_known_although_the_device_was_unplugged(
    kind: str,
) -> None:
    example = runpy.run_path(str(EXAMPLE))
    words = [f"word {number}" for number in range(40)]
    marks: list[vc.Mark] = []

    async def run(driver: Any, unplug: Any, replug: Any) -> list[str]:
        loop, interruption = asyncio.get_running_loop(), asyncio.Event()

        def on_mark(mark: vc.Mark) -> None:
            marks.append(mark)
            if len(marks) == 2:
                unplug()
                loop.call_soon_threadsafe(loop.call_later, 0.05, replug)
            if len(marks) == 4:
                loop.call_soon_threadsafe(interruption.set)

        heard: list[str] = await example["agent"](
            words, interruption, driver=driver, on_mark=on_mark
        )
        return heard

    with removable(kind) as device:
        heard = asyncio.run(run(*device))
    assert 4 <= len(heard) < len(words)
    assert heard == words[: len(heard)]


@pytest.mark.skipif(sys.platform == "win32", reason="NOT TESTED: Windows has no SIGINT of kill")
@pytest.mark.parametrize("driver", ["virtual", "coreaudio-simulated"])
def test_ctrl_c_ends_the_example(driver: str) -> None:
    variables: dict[str, Any] = {**os.environ, "VOICECOIL_DRIVER": driver}
    if driver != "virtual":
        variables |= {ENVIRONMENT: simulator_path(), DEVICES: SPEAKERS}
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "name='I'" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.strip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") <= 2
    assert "heard:" not in said
