"""record() at exit; argument: "array", or the file, which is then whole."""

import sys

from life import devices, until

import voicecoil as vc

recording = vc.record(None if sys.argv[1] == "array" else sys.argv[1], driver=devices())
until(lambda: recording.position > 1000)
