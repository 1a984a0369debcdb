"""Plays a bell that other Python code of the program cannot delay. The bell's callable runs in an
interpreter with its own GIL.

A bell is heard without gaps, while the main thread runs code that makes other callbacks late.
"""

import json
import sys
import time

import voicecoil as vc

if __name__ == "__main__":
    if sys.version_info < (3, 12):
        sys.exit("an interpreter has a GIL of its own from Python 3.12 on")
    load = {str(number): list(range(50)) for number in range(2000)}
    parameters = {"pitch_hz": 440.0, "stroke": 0}
    with vc.OutputStream(
        "isolated_bell:bell", isolated=True, parameters=parameters, results={"struck": 0}
    ) as stream:
        for stroke, pitch_hz in enumerate((523.25, 659.26, 783.99), start=1):
            stream.parameters.update(pitch_hz=pitch_hz, stroke=stroke)
            until = time.monotonic() + 1
            while time.monotonic() < until or stream.results.struck < stroke:
                json.dumps(load)  # each call holds the GIL for milliseconds
        print("xruns:", stream.statistics().xruns)
    position = stream.results.struck
