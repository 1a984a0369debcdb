"""Forks while the IO thread of a stepped device waits for the next step and another stream is
starting.
"""

import os
import sys
import threading

from life import HOME, Beat

import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


def playing() -> vc.OutputStream:
    stream = vc.OutputStream(Beat(), driver=driver, arrays="memoryview", latency=HOME)
    stream.start()
    device.step(2)
    return stream


device = VirtualDevice("Stepped", clock="stepped", frames=64)
driver = VirtualDriver([device])
stream = playing()
inside, go_on = threading.Event(), threading.Event()


def switch() -> None:
    """Holds the device's lock, as a thread does that starts a stream."""
    with device.switching(20.0):
        inside.set()
        go_on.wait(20)


switching = threading.Thread(target=switch)
switching.start()
assert inside.wait(20)
child = os.fork()
if child == 0:
    try:
        stream.start()
        os._exit(11)
    except vc.ForkedError:
        pass
    del stream
    own = playing()
    own.close()
    del own, device, driver  # objects with which the parent's IO thread waits
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go_on.set()
switching.join()
device.step(2)
stream.abort()
