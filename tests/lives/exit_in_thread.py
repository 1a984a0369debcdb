"""A thread calls sys.exit while the main module ends."""

import sys
import threading

from life import playing

stream = playing()
threading.Thread(target=sys.exit, args=(5,)).start()
