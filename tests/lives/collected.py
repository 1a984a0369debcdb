"""A stream in a reference cycle is collected while it runs."""

import gc
import weakref

from life import Beat, playing, until


class Instrument(Beat):
    def __init__(self) -> None:
        super().__init__()
        self.stream = playing(self)
        self.itself = self


instrument = Instrument()
gone = weakref.ref(instrument)
del instrument
until(lambda: gc.collect() >= 0 and gone() is None)
