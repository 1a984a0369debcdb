"""User code on a thread of the library forks: a source that is read ahead, or a listener.

The child returns from that code, and its only thread ends as any other thread does. Before the fix,
the child waited forever for threads that only the parent has. If the source forks while `play`
reads its first frames on a thread of the program, `play` raises a ForkedError in the child.
"""

import os
import sys
import threading
from collections.abc import Callable

import numpy as np
from life import code_of, devices, until

import voicecoil as vc
from voicecoil.lifetime import exit_and_fork

parent = os.getpid()
children: list[int] = []


def fork() -> None:
    if not children and os.getpid() == parent:
        child = os.fork()
        if child:
            children.append(child)


class Source:
    samplerate, channels, frames = 48_000, 2, 10_000_000

    def __init__(self, forks_at: int) -> None:
        self.reads = 0
        self.forks_at = forks_at

    def read(self, frames: int) -> np.ndarray:
        self.reads += 1
        if self.reads == self.forks_at:
            fork()
        return np.zeros((min(frames, 4096), 2), np.float32)

    def seek(self, frame: int) -> None:
        """Does nothing, because the whole source is silent."""

    def close(self) -> None:
        if os.getpid() != parent:
            os._exit(13)  # the child must not close the parent's source


def play(forks_at: int) -> None:
    global playback
    playback = vc.play(Source(forks_at), driver=devices())


def play_on_thread() -> None:
    def run() -> None:
        try:
            play(1)
        except vc.ForkedError:
            os._exit(0 if os.getpid() != parent else 14)
        if os.getpid() != parent:
            os._exit(15)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()  # because Python 3.12 starts no thread while the program ends


WAYS: dict[str, Callable[[], None]] = {
    "source": lambda: play(20),  # this read is on the reader's thread
    "first frames": lambda: play(1),
    "first frames on a thread": play_on_thread,
    "listener": lambda: exit_and_fork.tell(fork),
}
WAYS[sys.argv[1]]()
until(lambda: children)
code = code_of(children[0])
assert code == 0, code
