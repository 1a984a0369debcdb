"""The metronome and the sampler of the examples, on a virtual device and a simulated CoreAudio."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coreaudio import Worlds
from mixer_examples import check_metronome, check_sampler
from paths import EXAMPLES
from voicecoil.testing import VirtualDevice, VirtualDriver

Rig = tuple[Any, Callable[[], NDArray[np.float32]]]
SPEAKERS = "uid=Speakers; name=Speakers; out=2; rate=48000; rates=48000; buffer=480"


@pytest.fixture(params=["virtual", "coreaudio"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A driver, and a function that returns the output. Time does not wait for the program."""
    if request.param == "virtual":
        device = VirtualDevice("Speakers", clock="real", frames=480)
        device.capture()
        yield VirtualDriver([device]), device.heard
        return
    with Worlds() as worlds:
        world = worlds(devices=[SPEAKERS], clock="running")
        yield world.driver, lambda: world.driver.content(world.device("Speakers"))


def test_the_beats_of_the_metronome_are_exact_to_the_frame(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_metronome(*rig, monkeypatch)


def test_200_voices_of_the_sampler_begin_at_their_frames(rig: Rig) -> None:
    check_sampler(*rig)


def test_the_sampler_plays_200_voices_and_fades_the_oldest_out() -> None:
    example = runpy.run_path(str(EXAMPLES / "sampler.py"))
    device = VirtualDevice("Speakers", clock="stepped", frames=512)
    with vc.Mixer(driver=VirtualDriver([device])) as mixer:
        sampler = example["Sampler"](mixer, example["pluck"]())
        notes = []
        for number in range(220):
            notes.append(sampler.note_on(33 + number % 12, 0.5))
            if number % 20 == 19:
                device.step(1)
        assert mixer.sounding == 220  # the oldest 20 are fading out
        device.step(6)
        assert mixer.sounding == 200
        assert [note.state for note in notes] == ["ended"] * 20 + ["playing"] * 200


def test_the_sampler_plays_its_notes_on_time() -> None:
    main = runpy.run_path(str(EXAMPLES / "sampler.py"))["main"]
    driver = VirtualDriver([VirtualDevice("Speakers", clock="real", frames=480)])
    notes = main(0.3, driver=driver)
    assert len(notes) == 15
    starts = np.array([note.started_frame for note in notes if note.late_s == 0])
    assert not (np.diff(starts) % 960).any()
