"""A thread opens a stream and ends. The stream is stopped later, or plays until the exit."""

import sys
import threading

from life import Beat, playing

streams = []
beat = Beat()
thread = threading.Thread(target=lambda: streams.append(playing(beat)))
thread.start()
thread.join()
beat.wait(2)
if sys.argv[1] == "stop":
    streams[0].stop()
