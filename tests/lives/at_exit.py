"""An atexit handler starts a stream.

Argument: whether the handler is registered "before" or "behind" the handler of the library.
"""

import atexit
import sys


def handler() -> None:
    from life import playing

    import voicecoil as vc

    try:
        globals()["stream"] = playing()
        refused = ""
    except vc.StreamStateError as error:
        refused = str(error)
    assert ("ending" in refused) == (sys.argv[1] == "before"), refused


if sys.argv[1] == "before":
    atexit.register(handler)
import voicecoil.streams.stream  # noqa: E402, F401 - registers its own handler

if sys.argv[1] == "behind":
    atexit.register(handler)
