"""The main module ends while a stream with NumPy arrays plays on a device that never pauses."""

import numpy as np
from life import HOME, Beat, devices

import voicecoil as vc


class Tone(Beat):
    def __call__(self, block: vc.Block) -> None:
        block.output[:] = np.sin(np.arange(block.frames))[:, None]
        self.called.set()


tone = Tone()
stream = vc.OutputStream(tone, driver=devices(clock="free"), latency=HOME)
stream.start()
tone.wait(2)
