"""Ctrl-C arrives while the program waits for a recording.

Arguments: "array" or the name of the file, and the way in which the program ends.
"""

import os
import signal
import sys
import threading

from life import devices, until

import voicecoil as vc
from voicecoil.lifetime import exit_and_fork

file, how = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)


@exit_and_fork.at_the_end
def check() -> None:
    """Checks the file after the library has closed everything."""
    import soundfile

    if file != "array" and soundfile.info(file).frames != take.position:
        sys.stderr.write(f"{soundfile.info(file).frames} frames, not {take.position}\n")
        sys.stderr.flush()
        os._exit(1)


take = vc.record(None if file == "array" else file, driver=devices())
until(lambda: take.position > 20_000)
for _ in range(3):
    try:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        take.wait()
    except KeyboardInterrupt:
        assert take.recording
        if how == "exit":
            raise
sound = take.stop()
if file == "array":
    assert len(sound) == take.position, (len(sound), take.position)
