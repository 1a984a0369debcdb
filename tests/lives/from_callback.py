"""A callback ends its own stream. Argument: the method that it calls."""

import sys

from life import HOME, Beat, devices, until

import voicecoil as vc


class Ending(Beat):
    stream: vc.OutputStream

    def __call__(self, block: vc.Block) -> None:
        super().__call__(block)
        getattr(self.stream, sys.argv[1])()


ending = Ending()
stream = ending.stream = vc.OutputStream(
    ending, driver=devices(), arrays="memoryview", latency=HOME
)
stream.start()
until(lambda: stream.state in ("finished", "closed"))
assert ending.blocks == 1, ending.blocks
if sys.argv[1] == "close":
    until(lambda: stream.state == "closed")
else:
    stream.wait()
