"""A stream that is dropped without close() ends, and its callback is freed."""

import weakref

from life import Beat, playing, until

beat = Beat()
gone = weakref.ref(beat)
stream = playing(beat)
connection = weakref.ref(stream._connection)
del stream, beat
until(lambda: connection() is None and gone() is None)
