"""A signal ends the program while it waits for the stream. Argument: the name of the signal."""

import os
import signal
import sys
import threading

from life import playing

stream = playing()
number = signal.Signals[sys.argv[1]]
threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
stream.wait()
