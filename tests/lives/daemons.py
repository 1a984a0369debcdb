"""Daemon threads compute, open and close streams while the program ends.

On a busy machine, a stream may take longer than the second that the end gives to all streams.
"""

import contextlib
import threading

from life import HOME, Beat, devices, playing

import voicecoil as vc
from voicecoil.lifetime import exit_and_fork

exit_and_fork.EXIT_S = 20.0
stream = playing(driver=devices(clock="free"))
opened = threading.Event()


def compute() -> None:
    while True:
        sum(range(1000))


def open_and_close() -> None:
    driver = devices()
    # Opening a stream raises StreamStateError while the interpreter ends.
    with contextlib.suppress(vc.StreamStateError):
        while True:
            with vc.OutputStream(Beat(), driver=driver, arrays="memoryview", latency=HOME):
                opened.set()


for work in (compute, open_and_close, open_and_close):
    threading.Thread(target=work, daemon=True).start()
assert opened.wait(20)
