"""The program ends while record() records.

Argument: "array", or the name of the file, which must be complete after the end.
"""

import sys

from life import devices, until

import voicecoil as vc

recording = vc.record(None if sys.argv[1] == "array" else sys.argv[1], driver=devices())
until(lambda: recording.position > 1000)
