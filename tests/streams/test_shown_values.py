"""Objects of the user in error messages: one line of at most about 80 characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coreaudio import Worlds
from rig import Rig, until
from voicecoil import hal, pyaudio, sounddevice
from voicecoil.arguments import SHOWN, check_fade, shown


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("no text for this")


MANY_LINES = np.zeros((128, 2), np.float32)
LONG = "x" * 1000


def failed(rig: Rig, callback: Any) -> BaseException:
    stream = vc.OutputStream(callback, latency="low", driver=rig.driver)
    with pytest.raises(vc.VoicecoilError) as caught, stream:
        rig.step()
        until(lambda: stream.state != "running")
    return caught.value


@pytest.mark.parametrize("value", [MANY_LINES, LONG, Unspeakable(), 3.5, {"a": [1, 2]}])
def test_a_result_of_a_callback_is_shown_as_arguments_are(rig: Rig, value: Any) -> None:
    text = str(failed(rig, lambda block: value))
    assert text.startswith(f"the callback returned {shown(value)}; a callback fills block.output")
    assert len(text.splitlines()) == 1
    assert len(shown(value)) <= SHOWN + len(" ...")


@pytest.mark.parametrize(
    "call",
    [
        lambda value: vc.OutputStream(print, driver=value),
        lambda value: vc.OutputStream(print, arrays=value),
        lambda value: vc.OutputStream(print, blocksize=value),
        lambda value: vc.play(np.zeros(10), 48_000, mapping={0: value}),
        lambda value: check_fade(value),
    ],
)
@pytest.mark.parametrize("value", [[[0.0] * 50] * 50, Unspeakable()])
def test_wrong_arguments_are_shown_in_one_short_line(call: Any, value: Any) -> None:
    with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError)) as caught:
        call(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("fade_s", [500, -0.1, float("nan"), float("inf")])
def test_a_fade_says_what_is_possible(rig: Rig, fade_s: float) -> None:
    says = rf"fade_s={fade_s} s; give 0 or more, and at most 120\. fade_s=0\.01 is 10 ms"
    stream = vc.OutputStream(lambda block: None, driver=rig.driver)
    playback = vc.play(np.zeros(480), 48_000, driver=rig.driver)
    with vc.Player(driver=rig.driver) as player, stream:
        for call in (stream.stop, playback.pause, playback.stop, vc.stop_all, player.clear):
            with pytest.raises(vc.ArgumentError, match=says):
                call(fade_s=fade_s)
    playback.stop(0)


@pytest.mark.parametrize("value", [LONG, [[0.0] * 50] * 50, Unspeakable()])
def test_hal_raw_and_the_drop_ins_show_values_as_all_others_do(
    coreaudio: Worlds, value: Any
) -> None:
    system = hal.connect(coreaudio(1, 3).driver)
    device = system.device("USBDuplex:1")
    ours: list[Callable[[], object]] = [
        lambda: system.device(value),
        lambda: hal.watch(value),
        lambda: device.get(value),
        lambda: device.get("samplerate", scope=value),
        lambda: device.get("samplerate", element=value),
        lambda: device.set("samplerate", value),
        lambda: system.create_aggregate("A", [device], main=value),
    ]
    # Some of these errors are those of Python, as in sounddevice, and do not have the value.
    drop_ins: list[Callable[[], object]] = [
        lambda: sounddevice.query_devices(kind=value),
        lambda: sounddevice.query_devices(LONG),
        lambda: sounddevice.OutputStream(dtype=value),
        lambda: sounddevice.OutputStream(latency=value),
        lambda: sounddevice.CoreAudioSettings(conversion_quality=value),
        lambda: setattr(sounddevice.default, LONG, value),
        lambda: setattr(sounddevice.options, "on_device_lost", value),
        lambda: pyaudio.PyAudio().get_device_info_by_index(value),
        lambda: pyaudio.PyAudio().close(value),
    ]
    for call in [*ours, *drop_ins]:
        with pytest.raises((vc.VoicecoilError, ValueError, TypeError, AttributeError)) as caught:
            call()
        text = str(caught.value)
        assert shown(value) in text or call in drop_ins
        assert LONG not in text
        assert "0.0, " * 40 not in text
