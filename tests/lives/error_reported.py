"""A callback raises an exception while the program runs.

Argument: "nothing" (the program never asks for the exception), or "exception" (it reads the
property `exception`).
"""

import sys
import time

from life import HOME, devices, until

import voicecoil as vc
from voicecoil.lifetime.unseen_error import PATIENCE_S

how = sys.argv[1]
shown: list[BaseException] = []
sys.unraisablehook = lambda unraisable: shown.append(unraisable.exc_value)


def fail(block: vc.Block) -> None:
    raise RuntimeError("meant")


stream = vc.OutputStream(fail, driver=devices(), arrays="memoryview", latency=HOME)
stream.start()
until(lambda: stream.state == "finished")
if how == "nothing":
    until(lambda: shown)
elif how == "exception":
    assert isinstance(stream.exception, RuntimeError)
    for _ in range(8):  # a program that reads the property sometimes gets no report
        time.sleep(PATIENCE_S / 4)
        assert isinstance(stream.exception, RuntimeError)
(event,) = [event for event in stream.events() if event.kind == "finished"]
assert event.exception is stream.exception
assert event.detail == "RuntimeError: meant", event.detail
raised = None
try:
    stream.wait()
except RuntimeError as error:
    raised = error
assert raised is stream.exception is not None
stream.close()
assert stream.exception is raised
assert shown == ([raised] if how == "nothing" else []), shown
