"""Programs with streams run and end correctly. Each program of `lives/` runs many times, in
processes of its own.

``VOICECOIL_RUNS`` is the number of runs of each (8; tools/test.py --long: 20).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from coreaudio import simulator_path
from programs import NOTHING, RUNS, WAITING, check, run, run_fresh
from voicecoil.testing.simulator_library import ENVIRONMENT

ERROR = r"Traceback \(most recent call last\):\n(  .*\n)+RuntimeError: meant\n"
INTERRUPTED = r"Traceback \(most recent call last\):\n(  .*\n)+KeyboardInterrupt\n"
# If a program never asks for an exception, the exception is reported in the way in which Python
# reports errors of `__del__`.
UNSEEN = (
    r"Exception ignored in: <function fail at .*>\n"
    r"Traceback \(most recent call last\):\n(  .*\n)+RuntimeError: meant\n"
)
STUCK = (
    r"Exception ignored in: <function callback at .*>\n"
    r"Traceback \(most recent call last\):\n(  .*\n)+"
    # On a busy machine, the thread that closes a dropped stream may already wait for the callback.
    r"voicecoil\.errors\.StreamTimeoutError: (.* did not .* within [\d.]+ s"
    r"|timed out after [\d.]+ s, .* the callback does not return .*)\n"
)
# What the exit says if another thread was faster and waits for the callback already.
BUSY = STUCK.replace(
    r".* did not .* within [\d.]+ s",
    r"(.* did not .* within [\d.]+ s|timed out after [\d.]+ s, because another thread .*)",
)
TOLD = (
    r"Traceback \(most recent call last\):\n(  .*\n)+"
    r"voicecoil\.errors\.StreamTimeoutError: .* did not return within [5-9][\d.]* s; .*\n"
)
NOTED = (
    r"Traceback \(most recent call last\):\n(  .*\n)+KeyboardInterrupt\n"
    r"the stream could not be closed: .* did not return within [01]?[\d.]* s.*\n"
)


@pytest.fixture(autouse=True, params=["safe", "low"])
def _home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home of the callbacks in these programs."""
    monkeypatch.setenv("LIFE_LATENCY", request.param)


@pytest.mark.parametrize("clock", ["real", "free"])
def test_the_main_module_ends_while_a_stream_plays(clock: str) -> None:
    check(run("end", clock))


def test_the_main_module_ends_while_numpy_plays() -> None:
    check(run("end_numpy"))


@pytest.mark.parametrize(
    "life",
    [
        "end_in_function",
        "exit_in_thread",
        "dropped",
        "collected",
        "closed_twice",
        "from_callback_at_exit",
        "lost_often",
        "many_opens",
        "daemons",
        "render",
    ],
)
def test_clean(life: str) -> None:
    check(run(life))


def test_exit_code() -> None:
    check(run("exit_code"), code=3)


def test_unhandled_exception() -> None:
    check(run("error"), code=1, stderr=ERROR)


def test_sigint() -> None:
    check(run("signalled", "SIGINT"), code=-2, stderr=INTERRUPTED)


def test_sigint_while_rendering() -> None:
    check(run("sigint_in_render"), code=-2, stderr=INTERRUPTED)


def test_sigterm() -> None:
    check(run("signalled", "SIGTERM"), code=-15)


def test_os_exit() -> None:
    check(run("os_exit"), code=7)


@pytest.mark.parametrize("whose", ["other", "own"])
def test_collected_on_the_io_thread(whose: str) -> None:
    check(run("collected_on_io_thread", whose))


@pytest.mark.parametrize("method", ["stop", "abort", "close"])
def test_ended_from_its_own_callback(method: str) -> None:
    check(run("from_callback", method))


@pytest.mark.parametrize("where", ["apart", "together"])
def test_32_streams_at_once(where: str) -> None:
    check(run("many_at_once", where))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("life", ["forked", "forked_often", "forked_stepped"])
def test_fork_while_running(life: str) -> None:
    check(run(life))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("deed", ["returns", "stops", "raises", "leaves", "exits", "calls"])
def test_fork_inside_of_a_callback(deed: str) -> None:
    shown = r"Exception ignored in: <.*Forks.*>\nTraceback .*\n(  .*\n)+ValueError: the child's\n"
    check(run("forked_inside", deed), stderr=shown if deed == "raises" else NOTHING)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "where", ["source", "first frames", "first frames on a thread", "listener"]
)
def test_fork_on_a_thread_of_the_library(where: str) -> None:
    check(run("forked_in_thread", where))


@pytest.mark.parametrize("end", ["exit", "dropped"])
def test_an_exception_that_the_program_never_asked_for_is_reported(end: str) -> None:
    check(run("error_unseen", end), stderr=UNSEEN)


def test_stop_waits_for_a_slow_callback() -> None:
    check(run("stuck", "sleep", "stop", at_once=WAITING))


def test_a_stuck_callback_is_reported_once_where_the_stream_ends() -> None:
    check(run("stuck", "long sleep", "with", at_once=WAITING), code=1, stderr=TOLD)


def test_ctrl_c_with_a_stuck_callback_is_one_message_after_a_second() -> None:
    """Before the fix, the program ended after 6 s with two more errors."""
    check(run("stuck", "long sleep", "error", at_once=WAITING), code=-2, stderr=NOTED)


@pytest.mark.parametrize("end", ["exit", "drop"])
@pytest.mark.parametrize("what", ["sleep", "long sleep", "loop"])
def test_exit_does_not_wait_for_a_callback_that_is_stuck(what: str, end: str) -> None:
    """At exit, the program waits one second for the callback. Then it ends and reports that the
    callback did not return.
    """
    stderr = BUSY if end == "drop" else STUCK
    check(run("stuck", what, end, at_once=WAITING), stderr=stderr)


def test_play_at_exit(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    soundfile.write(file, np.zeros((480_000, 2), np.int16), 48_000)
    check(run("play", "array"))
    check(run("play", str(file)))


def test_record_at_exit(tmp_path: Path) -> None:
    check(run("record", "array"))
    check(run("record", str(tmp_path / "{}.wav")))
    for number in range(RUNS):
        assert soundfile.info(tmp_path / f"{number}.wav").frames > 1000


@pytest.mark.parametrize("how", ["away", "flapping"])
@pytest.mark.parametrize("what", ["stream", "play", "record"])
def test_exit_while_a_stream_or_sound_waits_for_its_device(what: str, how: str) -> None:
    check(run("away", what, how))


@pytest.mark.parametrize("then", ["stop", "exit"])
def test_opened_in_a_thread_that_has_ended(then: str) -> None:
    check(run("opened_in_thread", then))


@pytest.mark.parametrize("where", ["before", "behind"])
def test_started_by_an_atexit_handler(where: str) -> None:
    """atexit handlers run in reverse order. If the library's handler runs later, it closes the
    stream. If it has already run, the stream cannot be opened.
    """
    check([run_fresh("at_exit", where) for _ in range(RUNS)])


# ---- stack of the IO thread ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "way",
    [
        "call",
        "repr",
        "attribute",
        "compare",
        "sort",
        "partial",
        "nested repr",
        "nested json",
        "numpy objects",
        "numpy ufunc",
        "numpy vectorize",
    ],
)
def test_endless_recursion_in_a_callback_is_an_exception(way: str) -> None:
    check([run_fresh("recursion", way)])


# ---- simulated CoreAudio -----------------------------------------------------------------------


@pytest.fixture
def on_coreaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFE_DRIVER", "coreaudio")
    monkeypatch.setenv(ENVIRONMENT, simulator_path())


@pytest.mark.usefixtures("on_coreaudio")
@pytest.mark.parametrize(
    ("last", "code", "stderr"),
    [("runs", 0, NOTHING), ("dropped", 0, NOTHING), ("exits", 3, NOTHING), ("raises", 1, ERROR)],
)
def test_the_rate_that_a_stream_has_set_is_restored_at_exit(
    last: str, code: int, stderr: str
) -> None:
    check([run_fresh("rate_at_exit", last)], code, stderr)


@pytest.mark.usefixtures("on_coreaudio")
@pytest.mark.parametrize("clock", ["real", "free"])
def test_the_main_module_ends_while_coreaudio_plays(clock: str) -> None:
    check(run("end", clock))


@pytest.mark.usefixtures("on_coreaudio")
def test_os_exit_while_coreaudio_plays() -> None:
    check(run("os_exit"), code=7)


@pytest.mark.usefixtures("on_coreaudio")
@pytest.mark.parametrize("way", ["call", "repr", "numpy vectorize"])
def test_endless_recursion_in_a_callback_of_coreaudios(way: str) -> None:
    check([run_fresh("recursion", way)])


@pytest.mark.parametrize("end", ["stop", "error", "result", "kept"])
def test_nothing_is_imported_on_the_io_thread(end: str) -> None:
    check([run_fresh("imports", end)])
