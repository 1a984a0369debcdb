"""A stream is closed twice, and by several threads at once."""

import threading

from life import playing

stream = playing()
stream.close()
stream.close()
stream = playing()
threads = [threading.Thread(target=stream.close) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert stream.state == "closed"
