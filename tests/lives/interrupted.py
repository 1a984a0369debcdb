"""Raises KeyboardInterrupt at every line of the library that the main thread runs in one call.

Arguments: the name of the call, and the share of the lines (1: all, 7: every seventh, beginning at
a different line for each call and each version of Python). After each interrupt, no operation may
be in progress and no lock may be held. It must be possible to close the stream and to play another
one.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
from life import HOME, Beat, devices, nothing_under_way, until

import voicecoil as vc
from voicecoil.sounds.mixing import close_outputs

what, share = sys.argv[1], int(sys.argv[2])
HUNG_S = 100
OURS = os.path.dirname(vc.__file__) + os.sep
faulthandler.enable()
chosen = devices(clock="real")
sound = np.zeros((24_000, 1), np.float32)


class Interrupting:
    """A trace function that counts the lines of a call and interrupts the call at one of them."""

    def __init__(self, at: int | None) -> None:
        self.lines = 0
        self._at = at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self._at:
                raise KeyboardInterrupt
        return self if frame.f_code.co_filename.startswith(OURS) and not dropping(frame) else None


def dropping(frame: FrameType | None) -> bool:
    """Returns whether the code runs in a `__del__` or in the callback of a weak reference.

    Python prints exceptions of such code and does not raise them.
    """
    if frame is not None and frame.f_code.co_filename.endswith("weak_registry.py"):
        return True
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def opened() -> vc.OutputStream:
    return vc.OutputStream(Beat(), driver=chosen, arrays="memoryview", latency=HOME)


def started() -> vc.OutputStream:
    stream = opened()
    stream.start()
    return stream


def run(call: Callable[[], object], at: int | None) -> int:
    """Returns the number of lines that the call ran, at most `at`."""
    tracer = Interrupting(at)
    sys.settrace(tracer)
    try:
        call()
    except KeyboardInterrupt:
        assert at is not None
    finally:
        sys.settrace(None)
    return tracer.lines


def call_of(stream: vc.OutputStream | None) -> Callable[[], object]:
    if what == "open":
        return opened
    if what == "play":
        return lambda: vc.play(sound, 48_000, driver=chosen)
    if what == "record":
        return lambda: vc.record(frames=24_000, driver=chosen)
    if what == "playrec":
        return lambda: vc.playrec(sound, 48_000, input_channels=1, driver=chosen)
    if what in LIVE:
        return LIVE[what]
    if what == "with":

        def with_it() -> None:
            with opened():
                pass

        return with_it
    assert stream is not None
    return getattr(stream, what)  # type: ignore[no-any-return]


def player() -> None:
    it = vc.Player(channels=1, driver=chosen)
    it.start()
    it.write(sound[:2_400])
    it.mark("word")
    it.clear()
    it.close()


def mixer() -> None:
    it = vc.Mixer(driver=chosen)
    it.start()
    it.play(sound, samplerate=48_000)
    it.group().stop()
    it.stop()
    it.close()


def recorder() -> None:
    it = vc.Recorder(driver=chosen)
    it.start()
    it.read(64)
    it.stop()
    it.close()


# Objects that are used and closed again. A call that is interrupted drops its object.
LIVE = {"player": player, "mixer": mixer, "recorder": recorder}


def once(at: int | None) -> int:
    faulthandler.dump_traceback_later(HUNG_S, exit=True)
    stream = opened() if what in ("start", "stop", "abort", "close") else None
    if stream is not None and what != "start":
        stream.start()
    lines = run(call_of(stream), at)
    if stream is not None:
        if what != "close":  # the stream must still work
            stream.abort()
            stream.start()
        stream.close()
    close_outputs()
    beat = Beat()
    with vc.OutputStream(beat, driver=chosen, arrays="memoryview", latency=HOME) as following:
        beat.wait()
        following.abort()
    until(nothing_under_way)
    return lines


once(None)  # excludes imports and other work that is done only once from the count
lines = once(None)
assert lines > 5
for at in range(1 + (len(what) + 7 * sys.version_info.minor) % share, lines + 1, share):
    once(at)
assert threading.active_count() < 10
if os.environ.get("VOICECOIL_RACES_TELL"):
    print(what, lines)
