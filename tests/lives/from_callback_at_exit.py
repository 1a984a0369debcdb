"""A callback closes its own stream while the program ends."""

from life import HOME, Beat, devices

import voicecoil as vc


class Ending(Beat):
    stream: vc.OutputStream

    def __call__(self, block: vc.Block) -> None:
        self.stream.close()
        self.called.set()


ending = Ending()
stream = ending.stream = vc.OutputStream(
    ending, driver=devices(), arrays="memoryview", latency=HOME
)
stream.start()
assert ending.called.wait(20)
