"""Two threads open and end streams on a live sound server again and again.

Run this as a program. Arguments: the name of the server, and the number of streams. Each stream has
the only reference to its callback. A third of the streams is dropped while it plays, and the
callback is freed with the stream. Once, the program crashed after about 200 opens on PulseAudio,
in code that had been freed. To find the cause of a later crash, the program enables core dumps and
shows the stacks of all threads.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import resource
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import voicecoil as vc
from rig import until
from servers.killed import SERVERS
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

AT_ONCE = 2  # number of threads that open streams


class Tone:
    """A callback to which only the stream has a reference."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.level = 0.25

    def __call__(self, block: vc.Block) -> None:
        block.output[:] = self.level
        self.called.set()


class Opener:
    """Opens streams on a thread, in several ways that alternate."""

    def __init__(self, driver: Any, opens: int) -> None:
        self._driver = driver
        self._opens = opens
        self.alive: weakref.WeakSet[Tone] = weakref.WeakSet()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for number in range(self._opens):
                self._open(number)
        except BaseException as error:
            self.error = error

    def _open(self, number: int) -> None:
        tone = Tone()
        self.alive.add(tone)
        called = tone.called
        latency: Any = ("safe", "low")[number % 2]
        stream = vc.OutputStream(tone, driver=self._driver, latency=latency)
        del tone
        if number % 6 < 5:  # 5: never started
            stream.start()
        if number % 6 < 4:  # 4: started, and ended without waiting for the first callback
            assert called.wait(20), "the server does not call"
        if number % 3 == 0:
            # The stream is part of a reference cycle, as if its owner's method were its callback.
            # The garbage collector frees the cycle.
            holder: dict[str, Any] = {"stream": stream}
            holder["itself"] = holder
        elif number % 3 == 1:
            stream.abort()
            stream.close()
        else:
            stream.close()
        if number % 20 == 0:
            gc.collect()


def main(name: str, opens: int) -> None:
    faulthandler.enable()
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    server = SERVERS[name]()
    try:
        os.environ.update(server.env)
        driver = MiniaudioDriver("jack" if name == "jack" else "pulse")
        until(lambda: bool(driver.devices()))
        shares = [opens // AT_ONCE + (i < opens % AT_ONCE) for i in range(AT_ONCE)]
        openers = [Opener(driver, share) for share in shares]
        for opener in openers:
            opener.thread.start()
        for opener in openers:
            opener.thread.join()
        for opener in openers:
            if opener.error is not None:
                raise opener.error
        gc.collect()
        until(lambda: not any(opener.alive for opener in openers))
        assert server.alive, "the server ended"
    finally:
        server.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
