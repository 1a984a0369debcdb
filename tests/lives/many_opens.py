"""200 streams one after the other leave nothing behind."""

import threading
from pathlib import Path

from life import HOME, Beat, devices, until

import voicecoil as vc


def native_threads() -> int:
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.exists() else threading.active_count()


driver = devices(clock="free")
beat = Beat()
before = 0
for number in range(201):
    if number == 1:
        before = native_threads()  # with the control thread, which the first stream starts
    beat.called.clear()
    with vc.OutputStream(beat, driver=driver, arrays="memoryview", latency=HOME):
        assert beat.called.wait(20)
# A thread that was joined may still be on its way out, also one that was counted in `before`.
until(lambda: native_threads() <= before)
