"""The program ends while render() runs on another thread. If this is a daemon thread, the rendering
is abandoned.
"""

import threading

from life import PATIENCE_S

import voicecoil as vc

inside = threading.Event()


def callback(block: vc.Block) -> None:
    inside.set()


threading.Thread(target=lambda: vc.render(callback, frames=10**8, channels=1), daemon=True).start()
assert inside.wait(PATIENCE_S)
