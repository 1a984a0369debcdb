"""The metronome and the sampler of the examples, on a device with a free clock."""

from __future__ import annotations

import runpy

import numpy as np

import voicecoil as vc
from paths import EXAMPLES
from voicecoil.testing import VirtualDevice, VirtualDriver


def test_the_beats_of_the_metronome_are_exact_to_the_frame() -> None:
    main = runpy.run_path(str(EXAMPLES / "metronome.py"))["main"]
    # In real time, because the program would be late on a clock that does not wait for it.
    driver = VirtualDriver([VirtualDevice("Speakers", clock="real", frames=480)])
    voices = main(6000 / 7, 20, driver=driver)  # a beat in 3,360 frames
    assert len(voices) == 20
    beats = np.array([voice.started_frame for voice in voices if voice.late_s == 0])
    assert not (np.diff(beats) % 3360).any()


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
