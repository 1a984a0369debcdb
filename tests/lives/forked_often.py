"""Forks while a device calls without a pause. A child must not inherit a lock that a thread of the
parent holds.
"""

import os

from life import Beat, devices, playing

stream = playing(driver=devices(clock="free"))
for _ in range(5):
    child = os.fork()
    if child == 0:
        del stream
        playing(Beat()).close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
