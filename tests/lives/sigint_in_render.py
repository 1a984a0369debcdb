"""Ctrl-C arrives while the main thread renders."""

import os
import signal

import voicecoil as vc

blocks = 0


def callback(block: vc.Block) -> None:
    global blocks
    blocks += 1
    if blocks == 100:
        os.kill(os.getpid(), signal.SIGINT)


vc.render(callback, frames=10**8, channels=1)
