"""Opens 32 streams at once, each on its own device or all on one device, and closes only half of
them.
"""

import sys

from life import HOME, Beat, devices

import voicecoil as vc

apart = sys.argv[1] == "apart"
driver = devices(32 if apart else 1)
beats = [Beat() for _ in range(32)]
streams = [
    vc.OutputStream(
        beat, driver=driver, device=f"Life {i if apart else 0}", arrays="memoryview", latency=HOME
    )
    for i, beat in enumerate(beats)
]
for stream in streams:
    stream.start()
for beat in beats:
    beat.wait(2)
for stream in streams[::2]:
    stream.close()
for beat in beats[1::2]:
    beat.wait(2)
assert [stream.state for stream in streams] == ["closed", "running"] * 16
