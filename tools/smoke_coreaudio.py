"""Lists the devices of a Mac's own CoreAudio and plays half a second of silence, with deadlines.

    python tools/smoke_coreaudio.py

Run this program for the installed package after the tests. It checks that the package works with
the real CoreAudio, which no test on the simulator can show. On a machine without an output device,
such as some hosted ones, only the list of devices is checked, and a message says so. Each part has
a process and a deadline of its own. A part that misses its deadline prints the stacks of its
threads.
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys

DEADLINE_S = 60
PARTS = ("devices", "play")


def devices() -> None:
    import voicecoil

    found = voicecoil.devices(driver="coreaudio")
    print(f"{len(found)} devices")
    for device in found:
        print(f"  {device}")


def play() -> None:
    import numpy as np

    import voicecoil

    try:
        device = voicecoil.default_device("output", driver="coreaudio")
    except voicecoil.DeviceNotFoundError as error:
        print(f"*** NOTHING PLAYED: {error} ***")
        return
    rate = 48000
    silence = np.zeros((rate // 2, 2), dtype=np.float32)
    voicecoil.play(silence, rate, device=device, driver="coreaudio").wait()
    print(f"played half a second of silence on {device}")


def main() -> int:
    if len(sys.argv) > 1:
        faulthandler.dump_traceback_later(DEADLINE_S - 10, exit=True)
        {"devices": devices, "play": play}[sys.argv[1]]()
        return 0
    if sys.platform != "darwin":
        print("this is no Mac")
        return 1
    failed = 0
    for part in PARTS:
        try:
            code = subprocess.run([sys.executable, __file__, part], timeout=DEADLINE_S).returncode
        except subprocess.TimeoutExpired:
            print(f"{part}: not done after {DEADLINE_S} s")
            code = 1
        failed += code != 0
    print(f"{len(PARTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
