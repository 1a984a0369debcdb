"""What the metronome and the sampler of the examples must play, for the tests on each driver.

A real server plays silence if its client is late, and then continues with the next frame. A quiet
constant, the carrier, sounds all the time. So frames of silence are those that the server has
inserted, and without them the frame of each sound is exact, however busy the machine is.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import aligned
from paths import EXAMPLES
from voicecoil.testing import VirtualDevice, VirtualDriver

__all__ = ["check_metronome", "check_sampler"]

RATE = 48_000
CARRIER = vc.Sound(np.full((480, 2), 2.0**-12, np.float32), RATE)
CLICK_FRAMES = 1440
WAIT_S = 60.0

Frames = NDArray[np.float32]


class CarriedMixer(vc.Mixer):
    """A mixer with a carrier under everything that it plays."""

    newest: ClassVar[CarriedMixer]

    def __enter__(self) -> Self:
        super().__enter__()
        CarriedMixer.newest = self
        self.notes: list[vc.MixerVoice] = []
        self.carrier = super().play(CARRIER, at_frame=self.frame + 960, on_late="play", loops=0)
        return self

    def play(self, *arguments: Any, **options: Any) -> vc.MixerVoice:
        self.notes.append(super().play(*arguments, **options))
        return self.notes[-1]

    def wait(self, timeout: float | None = None) -> bool:
        for note in self.notes:
            assert note.wait(WAIT_S)
        self.carrier.stop(0)
        return super().wait(WAIT_S)

    def starts(self) -> list[int]:
        """Frames from the beginning of the carrier to that of each sound."""
        return [
            (note.started_frame or 0) - (self.carrier.started_frame or 0) for note in self.notes
        ]


def check_metronome(
    driver: Any, heard: Callable[[], Frames], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails unless each beat begins exactly at its frame."""
    monkeypatch.setattr(vc, "Mixer", CarriedMixer)
    main = runpy.run_path(str(EXAMPLES / "metronome.py"))["main"]
    voices = main(6000 / 7, 12, driver=driver)  # a beat in 3,360 frames
    assert len(voices) == 12
    in_time = [voice.started_frame for voice in voices if voice.late_s == 0]
    assert not (np.diff(in_time) % 3360).any()
    loud = np.flatnonzero(np.abs(aligned(heard())[:, 0]) > 0.02)
    first = loud[np.diff(loud, prepend=-CLICK_FRAMES) > CLICK_FRAMES // 2]
    starts = np.array(CarriedMixer.newest.starts())
    # A click that begins while another one is loud is not found. This happens to late clicks only.
    alone = starts[np.diff(starts, prepend=-RATE) > 2 * CLICK_FRAMES]
    assert len(alone) > 0
    assert set(alone) <= set(first - 1) <= set(starts)  # the first sample of a click is 0


def chord(mixer: CarriedMixer, frames: list[int]) -> None:
    """Plays a note of the sampler at each of the frames."""
    example = runpy.run_path(str(EXAMPLES / "sampler.py"))
    sampler = example["Sampler"](mixer, example["pluck"]())
    for number, at in enumerate(frames):
        sampler.note_on(45 + number % 12, 0.5, at_frame=at, on_late="play")


def check_sampler(driver: Any, heard: Callable[[], Frames]) -> None:
    """Fails unless 200 voices, which all sound at the same time, begin at their frames."""
    with CarriedMixer(driver=driver) as mixer:
        begin = mixer.frame + 9600
        chord(mixer, [begin + 100 * number for number in range(200)])
        mixer.wait()
    starts = mixer.starts()
    in_time = [at for at, note in zip(starts, mixer.notes, strict=True) if note.late_s == 0]
    assert not (np.diff(in_time) % 100).any()
    sound = aligned(heard())
    wanted = rendered(starts)[: len(sound)]
    assert len(wanted) == len(sound)
    np.testing.assert_allclose(sound, wanted, atol=1e-5)


def rendered(starts: list[int]) -> Frames:
    """Returns the same notes as the virtual device plays them."""
    device = VirtualDevice("Reference", clock="stepped", frames=512)
    device.capture()
    with CarriedMixer(driver=VirtualDriver([device])) as mixer:
        device.step(4)
        begin = mixer.carrier.started_frame
        assert begin is not None
        chord(mixer, [begin + start for start in starts])
        assert mixer.scheduled == 200
        device.step((max(starts) + 3 * RATE) // 512)
        assert mixer.sounding == 1
        assert mixer.starts() == starts
    return aligned(device.heard())
