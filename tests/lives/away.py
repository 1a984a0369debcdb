"""The program ends while a sound or a stream waits for its device, or while the device comes and
goes.

Arguments: the kind of object that waits, and "away" or "flapping".
"""

import sys
import threading

from life import devices, playing, until

import voicecoil as vc

what, how = sys.argv[1:]
driver = devices()
device = driver.virtual_devices[0]
wanted = {"driver": driver, "on_device_lost": "wait"}
if what == "stream":
    stream = playing(**wanted)
elif what == "play":
    import numpy as np

    sound = vc.play(np.zeros((480_000, 2), np.float32), 48_000, **wanted)
    stream = sound._output.stream
else:
    take = vc.record(**wanted)
    stream = take._stream
threading.Thread(target=stream.wait, daemon=True).start()


def flap() -> None:
    while True:
        device.inject("unplug")
        until(lambda: stream.state != "running")
        device.replug()
        until(lambda: stream.state != "waiting")


def has_come_back_twice() -> bool:
    try:
        events = list(stream._connection.device.news.copy())
    except RuntimeError:  # without a GIL, another thread may append an event during the copy
        return False
    return [event.kind for event in events].count("back") > 1


if how == "away":
    device.inject("unplug")
    until(lambda: stream.state == "waiting")
else:
    threading.Thread(target=flap, daemon=True).start()
    until(has_come_back_twice)
