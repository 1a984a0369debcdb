"""Opens many streams one after the other and checks that no thread, file or memory is left."""

import sysconfig
import threading
import time
from pathlib import Path

from life import HOME, Beat, devices, until

import voicecoil as vc


def native_threads() -> int:
    """Returns the number of threads without the control threads, which start with the first event
    and never end.
    """
    folder = Path("/proc/self/task")
    count = len(list(folder.iterdir())) if folder.exists() else threading.active_count()
    return count - sum(thread.name == "voicecoil control" for thread in threading.enumerate())


class Slow(Beat):
    """Leaves time for the other threads. Without a GIL, the device and its worker would keep two
    processors busy, and each start would take a tenth of a second.
    """

    def __call__(self, block: vc.Block) -> None:
        super().__call__(block)
        time.sleep(0.0005)


# Without a GIL, a start waits for each thread that the system has interrupted in Python. Beside
# three busy programs, eight of these programs took 154 s for 200 streams. With a GIL it was 7 s.
STREAMS = 50 if sysconfig.get_config_var("Py_GIL_DISABLED") else 200

driver = devices(clock="free")
beat = Slow()
before = 0
for number in range(STREAMS + 1):
    if number == 1:
        before = native_threads()
    beat.called.clear()
    with vc.OutputStream(beat, driver=driver, arrays="memoryview", latency=HOME):
        assert beat.called.wait(20)
# A joined thread may still exist for a moment. Such threads may also count in `before`.
until(lambda: native_threads() <= before)
