"""A fork while a stream runs: the child cannot use it, can open its own, and exits cleanly."""

import os
import sys

from life import Beat, devices, playing

import voicecoil as vc

driver = devices()
beat = Beat()
stream = playing(beat, driver=driver)
child = os.fork()
if child == 0:
    for call in (stream.start, stream.stop, stream.abort, stream.wait):
        try:
            call()
            os._exit(11)
        except vc.ForkedError:
            pass
    stream.close()  # has no effect, because the child has nothing to close
    own = playing(Beat())
    same_device = playing(Beat(), driver=driver)
    same_device.close()
    sys.exit(0)  # exits while a stream of its own plays
pid, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
beat.wait(3)
assert stream.active
stream.stop()
