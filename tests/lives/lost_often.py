"""Eight streams lose their device again and again, while other threads read, stop, start and close
them.

The library reports each loss and each return once. At the end, each callback is still called.
"""

import contextlib
import threading

from life import Beat, devices, until

import voicecoil as vc

LOSSES = 5
driver = devices()
device = driver.virtual_devices[0]
beats = [Beat() for _ in range(8)]
wanted = {"driver": driver, "on_device_lost": "wait", "arrays": "memoryview"}
streams = [vc.OutputStream(beat, **wanted) for beat in beats]
ended = threading.Event()


def look() -> None:
    while not ended.is_set():
        for stream in streams:
            stream.statistics()
            assert stream.wait(0) is False
            assert stream.state in ("running", "waiting")


def come_and_go() -> None:
    """Opens and closes further streams while the device is in any of its states."""
    while not ended.is_set():
        with contextlib.suppress(vc.DeviceNotFoundError, vc.DeviceLostError):
            stream = vc.OutputStream(Beat(), **wanted)
            stream.start()
            stream.stop()
            stream.start()
            stream.close()


for stream in streams:
    stream.start()
threads = [threading.Thread(target=work) for work in (look, come_and_go, come_and_go)]
for thread in threads:
    thread.start()
for _ in range(LOSSES):
    for beat in beats:
        beat.wait()
    device.inject("unplug")
    until(lambda: all(stream.state == "waiting" for stream in streams))
    device.replug()
    until(lambda: all(stream.state == "running" for stream in streams))
for beat in beats:
    beat.wait(2)
ended.set()
for thread in threads:
    thread.join()
for stream in streams:
    told = [event.kind for event in stream.events() if event.kind in ("lost", "back")]
    assert told == ["lost", "back"] * LOSSES, told
    stream.close()
until(
    lambda: all(not thread.name.startswith("voicecoil devices") for thread in threading.enumerate())
)
