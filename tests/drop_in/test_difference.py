"""Random sequences of calls have the same results with sounddevice and voicecoil.sounddevice.

The calls run in two processes, one for each library, on one PulseAudio server with a null sink. A
difference is a fault, or a row of the table in docs/sounddevice.md. VOICECOIL_RUNS sets the number
of sequences.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.pulse import PulseServer

pytestmark = pytest.mark.realtime

RUNS = int(os.environ.get("VOICECOIL_RUNS", "6"))
OURS = ["-m", "voicecoil", "run", "--as-sounddevice", "--driver", "miniaudio:pulse"]
CALLS = Path(__file__).with_name("calls.py")

KINDS = ["InputStream", "OutputStream", "Stream", "RawInputStream", "RawOutputStream", "RawStream"]
DTYPES = ["float32", "int32", "int24", "int16", "int8", "uint8", "float64", "wrong"]


class Library:
    """A process that makes calls of one library. Each line of its input is a sequence of calls."""

    def __init__(self, server: PulseServer, words: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *words, str(CALLS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **server.processes.env, **server.env},
            text=True,
        )

    def results(self, calls: list[Any]) -> list[Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(calls) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the process has ended: {calls}"
        answer: list[Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait(20)
            self.process.stdout.close()


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Library, Library]]:
    probe = [sys.executable, "-c", "import sounddevice"]
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("NOT TESTED: sounddevice cannot be imported (apt install libportaudio2)")
    server = PulseServer()
    libraries = Library(server, []), Library(server, OURS)
    yield libraries
    for library in libraries:
        library.close()
    server.close()


streams = st.tuples(
    st.just("open"),
    st.sampled_from(KINDS),
    st.sampled_from(DTYPES),
    st.sampled_from([1, 2, 0, -1]),
    st.sampled_from([0, 64, 480, -1]),
    st.sampled_from(["low", "high", 0.05, "wrong"]),
    st.booleans(),
)
on_stream = st.tuples(
    st.sampled_from(["start", "stop", "abort", "close", "state", "read", "write", "wrong write"])
)
functions = st.one_of(
    st.tuples(st.just("play"), st.sampled_from(DTYPES), st.sampled_from([None, [1], [2, 1], [0]])),
    st.tuples(st.just("rec"), st.sampled_from(DTYPES), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("playrec"), st.sampled_from(DTYPES), st.sampled_from([None, 1, 2])),
    st.tuples(st.sampled_from(["wait", "stop all", "status"])),
    st.tuples(st.just("check"), st.sampled_from(DTYPES), st.sampled_from([0, 1, 2, 500])),
    st.tuples(st.just("default"), st.sampled_from(["channels", "dtype", "foo", "samplerate"])),
)
sequences = st.lists(st.one_of(streams, on_stream, on_stream, functions), min_size=4, max_size=10)


@settings(
    max_examples=RUNS,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(calls=sequences)
def test_sequences_of_calls_have_the_same_results(
    both: tuple[Library, Library], calls: list[Any]
) -> None:
    theirs, ours = (library.results(calls) for library in both)
    assert list(zip(calls, ours, strict=True)) == list(zip(calls, theirs, strict=True))
