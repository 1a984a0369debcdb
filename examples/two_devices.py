"""An effect from one device to another one, such as a USB microphone and built-in loudspeakers.

    python examples/two_devices.py [input] [output] [seconds]

The voice at the microphone is heard with a tremolo. The clocks of two devices differ by some
millionths, so the stream resamples the input to the clock of the output.
"""

import argparse
import time

import voicecoil as vc


class Tremolo:
    """Makes the sound louder and softer, five times a second."""

    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, block: vc.Block) -> None:
        for frame in range(0, block.frames, 32):
            turn = (self.frames + frame) / block.samplerate * 5 % 1.0
            gain = 0.25 + abs(turn - 0.5)
            block.output[frame : frame + 32] = gain * block.input[frame : frame + 32]
        self.frames += block.frames


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", nargs="?")
    parser.add_argument("output", nargs="?")
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    given = parser.parse_args()
    effect = Tremolo()
    devices = (given.input or None, given.output or None)
    with vc.Stream(effect, device=devices, input_channels=1, output_channels=2) as stream:
        print(stream.device.name)
        until = time.monotonic() + given.seconds
        while time.monotonic() < until or effect.frames == 0:
            time.sleep(0.1)
        lost = stream.statistics().lost_frames
        delay_ms = 1000 * sum(latency.seconds for latency in stream.latency)
    position = effect.frames
    print(f"delay {delay_ms:.0f} ms, {lost} frames lost")
