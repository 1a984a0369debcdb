"""Records inputs 3 and 4 of an audio interface into a file, for any time.

    python examples/record_inputs.py take.flac [seconds] [device]

In Python, channels are counted from 0. The file is complete after Ctrl-C, too. Lost frames are
silence in the file, so the frames after them keep their time.
"""

import argparse
import time

import voicecoil as vc

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", default="take.flac")
    parser.add_argument("seconds", nargs="?", type=float, default=10 * 3600.0)
    parser.add_argument("device", nargs="?")
    given = parser.parse_args()
    with vc.record(given.path, channels=[2, 3], device=given.device or None) as take:
        try:
            until = time.monotonic() + given.seconds
            while (time.monotonic() < until or take.position == 0) and take.recording:
                time.sleep(1)
                print(f"\r{take.position_s:.0f} s, {take.lost_frames} frames lost", end="")
        except KeyboardInterrupt:
            pass
    print()
    for loss in take.losses:
        print(f"{loss.frames} frames lost at {loss.position / take.samplerate:.3f} s")
    position = take.position
