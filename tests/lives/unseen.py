"""A sound or a recording has an error.

Arguments: "play" or the name of the recorded file, and whether the program waits for the end.
"""

import resource
import sys

from life import devices, until

import voicecoil as vc

what, waits = sys.argv[1], sys.argv[2] == "waits"


class Broken:
    samplerate, channels, frames = 48_000, 2, None
    left = 3

    def read(self, max_frames: int) -> object:
        import numpy as np

        if self.left == 0:
            raise RuntimeError("meant")
        self.left -= 1
        return np.full((max_frames, 2), 0.5, np.float32)

    def seek(self, frame: int) -> None: ...
    def close(self) -> None: ...


shown: list[BaseException] = []
sys.unraisablehook = lambda unraisable: shown.append(unraisable.exc_value)
if what == "play":
    thing: vc.Playback | vc.Recording = vc.play(Broken(), driver=devices())
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    thing = vc.record(what, driver=devices())
if not waits:
    until(lambda: shown)
raised: BaseException | None = None
try:
    thing.wait(20)
except (RuntimeError, OSError) as error:
    raised = error
assert raised is not None
assert shown == ([] if waits else [raised]), shown
assert thing.wait(20), "the error is raised once"
