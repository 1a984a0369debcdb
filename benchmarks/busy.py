"""A Python callback on the worker of a stream while 12 processes keep all processors busy.

    python benchmarks/busy.py [--seconds 20]

The stream plays on a virtual device, once with the real-time priority that the worker gets, and
once in a process that may not raise the priority of a thread. The device's own thread has a
real-time priority both times, as in a sound server. The floor is the time by which a thread that
only sleeps for 1 ms at a time, with the priority of the worker, is late at most. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

PROCESSES = 12
BUSY = "while True: pass"
UNPRIVILEGED = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/voicecoil"}
FIFO = 2  # the priority that the worker gets
IO_FIFO = 3


def latest_ms(seconds: float, realtime: bool) -> float:
    """Returns how late a sleep of 1 ms ended at most, on a thread of that kind, in ms."""
    latest = [0.0]

    def sleep() -> None:
        if realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO))
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            time.sleep(0.001)
            latest[0] = max(latest[0], time.monotonic() - now - 0.001)

    thread = threading.Thread(target=sleep)
    thread.start()
    thread.join()
    return latest[0] * 1000


def raise_io_thread(process: int) -> None:
    """Gives the thread of the virtual device in that process a real-time priority."""
    while True:
        for number in os.listdir(f"/proc/{process}/task"):
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{process}/task/{number}/comm") as file,
            ):
                if file.read().strip() == "voicecoil io":
                    os.sched_setscheduler(int(number), os.SCHED_FIFO, os.sched_param(IO_FIFO))
                    return
        time.sleep(0.01)


def play(seconds: float) -> dict[str, Any]:
    """Plays for `seconds` in this process. Returns what was lost."""
    import numpy as np

    import voicecoil as vc
    from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

    tone = np.sin(np.arange(1 << 16, dtype=np.float32))
    position = 0

    def callback(block: vc.Block) -> None:
        nonlocal position
        start = position % (len(tone) - block.frames)
        block.output[:] = tone[start : start + block.frames, None]
        position += block.frames

    # The device itself is never late, so that only the worker can be the cause of lost frames.
    driver = VirtualDriver([VirtualDevice("Busy", tolerance_s=10.0)])
    with vc.OutputStream(callback, driver=driver) as stream:
        time.sleep(1)  # until the device's thread has its priority
        before = stream.statistics()
        time.sleep(seconds)
        after, priority = stream.statistics(), stream.worker_priority
    lost, frames = after.lost_frames - before.lost_frames, after.frames - before.frames
    policy = priority.policy if priority is not None else "none"
    floor_ms = latest_ms(seconds, policy == "fifo")
    return {"policy": policy, "frames": frames, "lost": lost, "floor_ms": floor_ms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--play", action="store_true", help="play in this process")
    options = parser.parse_args()
    if options.play:
        print(json.dumps(play(options.seconds)))
        return
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(PROCESSES)]
    try:
        print("| worker's priority | frames | lost | the sleeping thread is late by at most |")
        print("|---|---|---|---|")
        for prefix in ([], UNPRIVILEGED):
            command = [*prefix, sys.executable, __file__, "--play", f"--seconds={options.seconds}"]
            playing = subprocess.Popen(
                command, env={**os.environ, **NO_BUS}, stdout=subprocess.PIPE, text=True
            )
            raise_io_thread(playing.pid)
            told = json.loads(playing.communicate()[0])
            print(
                f"| {told['policy']} | {told['frames']} | {told['lost']} | "
                f"{told['floor_ms']:.1f} ms |",
                flush=True,
            )
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait()


if __name__ == "__main__":
    main()
