"""Callables in an interpreter with its own GIL, on the device's IO thread.

``VOICECOIL_EXITS`` is the number of programs that end while daemon threads open streams (as
VOICECOIL_RUNS; tools/test.py --long: 200).
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import assert_coded
from compiler import shared_library
from paths import TESTS
from programs import RUNS, check, run, run_fresh
from rig import needs_a_gil
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

EXITS = int(os.environ.get("VOICECOIL_EXITS", str(RUNS)))
ABLE = sys.version_info >= (3, 12)
needs_3_12 = pytest.mark.skipif(not ABLE, reason="isolated=True needs Python 3.12")


def device(**shape: Any) -> tuple[VirtualDevice, VirtualDriver]:
    shape = {"clock": "stepped", "frames": 64, "poison": True, **shape}
    virtual = VirtualDevice("Isolated", **shape)
    virtual.capture()
    return virtual, VirtualDriver([virtual])


def opened(name: str, driver: VirtualDriver, **wanted: Any) -> vc.OutputStream:
    return vc.OutputStream(f"isolated_callables:{name}", isolated=True, driver=driver, **wanted)


@pytest.mark.skipif(ABLE, reason="this Python has it")
def test_older_pythons_get_an_error_with_advice() -> None:
    _, driver = device()
    with pytest.raises(vc.PythonVersionError, match=r"3\.12 or later.*native callback") as caught:
        opened("count", driver)
    assert isinstance(caught.value, NotImplementedError)


# ---- sound ---------------------------------------------------------------------------------------


@needs_3_12
@pytest.mark.parametrize("zero_copy", [False, True])
@pytest.mark.parametrize("blocksize", [None, 48])
@pytest.mark.parametrize("pattern", [(), (64, 1, 33)])
def test_every_frame_is_right(zero_copy: bool, blocksize: int | None, pattern: Any) -> None:
    virtual, driver = device(pattern=pattern)
    stream = vc.Stream(
        "isolated_callables:coded",
        isolated=True,
        driver=driver,
        input_channels=1,
        blocksize=blocksize,
        zero_copy=zero_copy,
        parameters={"delay": 0},
        results={"wrong": 0},
    )
    stream.parameters.delay = sum(latency.frames for latency in stream.latency)
    with stream:
        virtual.step(20)
        stream.abort()
        assert stream.results.wrong == 0
    heard = virtual.heard()
    lead = stream.latency[1].lead_frames
    assert not heard[:lead].any()
    assert_coded(heard[lead : 5 * 64])


@needs_3_12
@pytest.mark.parametrize("zero_copy", [False, True])
def test_one_channel_is_heard_on_both_sides(zero_copy: bool) -> None:
    virtual, driver = device()
    with vc.Stream(
        "isolated_callables:coded",
        isolated=True,
        driver=driver,
        channels=1,
        zero_copy=zero_copy,
        parameters={"delay": 128},
        results={"wrong": 0},
    ) as stream:
        virtual.step(6)
        stream.abort()
    heard = virtual.heard()
    assert np.array_equal(heard[:, 0], heard[:, 1])
    assert_coded(heard[:, :1])


@needs_3_12
def test_a_block_in_an_isolated_callable() -> None:
    virtual, driver = device()
    stream = vc.Stream(
        "isolated_callables:facts",
        isolated=True,
        driver=driver,
        input_channels=1,
        results={"text": bytes(200)},
    )
    with stream:
        virtual.step(1)
        stream.abort()
        assert stream.results.text.decode() == (
            "memoryview f (64, 2) False True 48000.0 64 0 64 "
            "<Block of 64 frames at 48000.0 Hz, input, output> False"
        )


@needs_3_12
def test_int16_in_an_isolated_callable() -> None:
    virtual, driver = device()
    with vc.Stream(
        "isolated_callables:half_of_int16",
        isolated=True,
        driver=driver,
        dtype="int16",
        results={"format": bytes(8)},
    ) as stream:
        virtual.step(2)
        stream.abort()
        assert stream.results.format.decode() == "h h 2"
        assert stream.statistics().clipped_samples == 0
    assert stream.statistics().clipped_samples == 0  # also after its interpreter has ended
    heard = virtual.heard()
    assert len(heard) == 128
    assert (heard == 0.5).all()


@needs_3_12
def test_each_stream_has_modules_of_its_own() -> None:
    virtual, driver = device()
    one, two = (opened("count", driver, results={"blocks": 0}) for _ in range(2))
    one.start()
    virtual.step(3)
    two.start()
    virtual.step(2)
    assert (one.results.blocks, two.results.blocks) == (5, 2)
    for stream in (one, two):
        stream.abort()
        stream.close()
    assert "isolated_callables" not in sys.modules


@needs_3_12
def test_it_can_be_started_again_and_remembers() -> None:
    virtual, driver = device()
    stream = opened("instrument.play", driver, results={"blocks": 0})
    for _ in range(3):
        stream.start()
        virtual.step(2)
        stream.abort()
    assert stream.results.blocks == 6
    stream.close()


@needs_3_12
def test_callables_next_to_a_script_are_found(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def quiet(block): pass\n")
    (tmp_path / "script.py").write_text(
        "import voicecoil as vc\n"
        "from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver\n"
        'device = VirtualDevice("Script", clock="stepped")\n'
        "driver = VirtualDriver([device])\n"
        'with vc.OutputStream("beside:quiet", isolated=True, driver=driver) as s:\n'
        "    device.step(3)\n"
        "    s.abort()\n"
        "    print(s.statistics().blocks)\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("3\n", "")


# ---- independence of the main interpreter --------------------------------------------------------


@needs_3_12
@pytest.mark.parametrize("isolated", [True, pytest.param(False, marks=needs_a_gil)])
def test_it_is_called_while_the_main_interpreter_is_locked(isolated: bool, tmp_path: Path) -> None:
    """The main thread waits in a C function that keeps the GIL, until 500 blocks were heard.

    A callable in the main interpreter is heard only after the wait.
    """
    library = ctypes.PyDLL(str(shared_library("wait.c", tmp_path)))
    library.vc_test_wait.argtypes = [ctypes.c_void_p, ctypes.c_int]
    heard = np.zeros((500 * 64, 2), np.float32)
    virtual = VirtualDevice("Free", clock="free", frames=64)
    driver = VirtualDriver([virtual])

    def half(block: vc.Block) -> None:
        block.output[block.frames - 1, 0] = 0.5

    stream = (
        opened("half", driver)
        if isolated
        else vc.OutputStream(half, driver=driver, arrays="memoryview")
    )
    virtual.capture_into(heard)
    last = heard[-1:, 0].ctypes.data
    # The capture begins with the first block, so this sample shows that 500 blocks were heard.
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        # stream.start() waits and releases the GIL meanwhile, so the test does not call it.
        assert stream._connection is not None
        stream._connection.start()
        came = library.vc_test_wait(last, 20_000 if isolated else 300)
    finally:
        sys.setswitchinterval(switch)
    stream.abort()
    stream.close()
    assert came == isolated


@needs_3_12
def test_a_block_allocates_nothing() -> None:
    program = TESTS / "lives" / "isolated_allocations.py"

    def allocations(name: str, blocks: int) -> int:
        done = subprocess.run(
            [sys.executable, str(program), json.dumps([str(TESTS), name, blocks])],
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert allocations("reads", 100_000) == 0
    assert allocations("allocates", 10_000) >= 10_000, "garbage collections are counted"


@needs_3_12
@pytest.mark.parametrize("fail", [False, True])
def test_nothing_is_imported_on_the_io_thread(fail: bool) -> None:
    virtual, driver = device()
    stream = opened(
        "imports", driver, parameters={"fail": False}, results={"imported": bytes(1000)}
    )
    stream.start()
    virtual.step(2)
    if fail:
        stream.parameters.fail = True
        virtual.step(1)
        with pytest.raises(vc.IsolatedCallbackError, match="KeyError: 'meant'"):
            stream.stop()
    stream.abort()
    assert stream.results.imported == b""
    stream.close()


# ---- end of a stream -----------------------------------------------------------------------------


@needs_3_12
def test_stop() -> None:
    virtual, driver = device()
    stream = opened("stop_after_three", driver, results={"blocks": 0})
    stream.start()
    virtual.step(5)
    assert stream.wait(1)
    assert stream.results.blocks == stream.statistics().blocks == 3
    stream.close()


@needs_3_12
def test_an_exception_is_raised_with_its_traceback() -> None:
    virtual, driver = device()
    stream = opened("fails", driver)
    stream.start()
    virtual.step(2)
    with pytest.raises(vc.IsolatedCallbackError) as caught:
        stream.wait(1)
    first, _, traceback = str(caught.value).partition("\n\n")
    assert first == "isolated_callables:fails raised ValueError: meant: \N{SNOWMAN}"
    assert traceback == caught.value.traceback.rstrip()
    lines = traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "in fails" in lines[1]
    assert "deeper(block)" in lines[2]
    assert lines[-1] == "ValueError: meant: \N{SNOWMAN}"
    stream.close()  # does not raise the same exception again
    assert stream.statistics().blocks == 1


@needs_3_12
@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("returns", vc.CallbackResultError, r"the callback returned \[1, 2\]"),
        ("keeps", vc.EscapedBlockError, r"kept a reference to block\.output"),
        ("ends_itself", vc.IsolatedCallbackError, "raised SystemExit: 5"),
        ("starts_a_thread", vc.IsolatedCallbackError, "thread"),
    ],
)
def test_other_ends(name: str, error: type[Exception], text: str) -> None:
    virtual, driver = device()
    stream = opened(name, driver, zero_copy=True)
    stream.start()
    virtual.step(1)
    with pytest.raises(error, match=text):
        stream.stop()
    stream.close()


# ---- callables that cannot be opened -------------------------------------------------------------


@needs_3_12
@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (print, vc.ArgumentTypeError, 'name, such as "mysynth:tone"'),
        ("tone", vc.ArgumentError, "a module and a name in it"),
        ("mod:", vc.ArgumentError, "a module and a name in it"),
        ("../mod:tone", vc.ArgumentError, "a module and a name in it"),
        ("__main__:tone", vc.ArgumentError, "a module that can be imported"),
        ("isolated_callables:tone", vc.ArgumentError, "isolated_callables has no 'tone'"),
        ("isolated_callables:no_function", vc.ArgumentTypeError, "cannot be called.*it is 3"),
        ("isolated_callables:coroutine", vc.ArgumentTypeError, "async function"),
        ("isolated_callables:generator", vc.ArgumentTypeError, "generator function"),
        ("no_such_module:x", vc.IsolatedImportError, "No module named 'no_such_module'.*sys.path"),
        ("numpy:zeros", vc.IsolatedImportError, "numpy.*NumPy does not"),
        ("voicecoil._core:clock_ns", vc.IsolatedImportError, "does not support"),
    ],
)
def test_callables_that_cannot_be_opened(name: Any, error: type[Exception], text: str) -> None:
    _, driver = device()
    with pytest.raises(error, match=f"(?s){text}"):
        vc.OutputStream(name, isolated=True, driver=driver)
    with vc.OutputStream(lambda block: None, driver=driver) as after:  # the device was released
        after.abort()


@needs_3_12
def test_an_import_error_shows_the_users_lines_and_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_numpy.py").write_text("import numpy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, driver = device()
    with pytest.raises(vc.IsolatedImportError) as caught:
        vc.OutputStream("needs_numpy:x", isolated=True, driver=driver)
    lines = caught.value.traceback.splitlines()
    assert "needs_numpy.py" in lines[1]
    assert lines[2].strip() == "import numpy"
    assert "importlib" not in caught.value.traceback
    assert "multiarray" in lines[-1]


@needs_3_12
def test_a_syntax_error_brings_no_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no_syntax.py").write_text("def tone(block)\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, driver = device()
    with pytest.raises(vc.IsolatedImportError, match="SyntaxError") as caught:
        vc.OutputStream("no_syntax:tone", isolated=True, driver=driver)
    assert "NumPy" not in str(caught.value)


# ---- exit, fork, garbage collection --------------------------------------------------------------

ERROR = r"Traceback \(most recent call last\):\n(  .*\n)+RuntimeError: meant\n"
INTERRUPTED = r"Traceback \(most recent call last\):\n(  .*\n)+KeyboardInterrupt\n"
UNSEEN = (
    r"Exception ignored in: 'isolated_code:fails'\n"
    r"Traceback \(most recent call last\):\n(  .*\n)+"
    r"voicecoil\.errors\.IsolatedCallbackError: isolated_code:fails raised RuntimeError: meant\n+"
    r"Traceback \(most recent call last\):\n(  .*\n)+RuntimeError: meant\n"
)
STUCK = (
    r"Exception ignored in: 'isolated_code:stuck_\w+'\n"
    r"Traceback \(most recent call last\):\n(  .*\n)+"
    r"voicecoil\.errors\.StreamTimeoutError: .* did not .* within [\d.]+ s\n"
)
BUSY = STUCK.replace("isolated_code:stuck_\\w+", "isolated_ending:beat").replace(
    r".* did not .* within [\d.]+ s",
    r"(.* did not .* within [\d.]+ s|timed out after [\d.]+ s, because another thread .*)",
)


@needs_3_12
@pytest.mark.parametrize(
    ("what", "code", "stderr"),
    [
        ("end", 0, ""),
        ("sys.exit", 3, ""),
        ("os._exit", 7, ""),
        ("exit_in_thread", 0, ""),
        ("unhandled", 1, ERROR),
        ("signalled", -2, INTERRUPTED),
        ("dropped", 0, ""),
        ("collected", 0, ""),
        ("closed_twice", 0, ""),
        ("many_at_once", 0, ""),
        ("unseen", 0, UNSEEN),
        ("sleeping stuck_for_2_s", 0, ""),
        ("stuck stuck_in_a_loop", 0, STUCK),
        ("stuck stuck_for_ever", 0, STUCK),
        ("recursion", 0, ""),
    ],
)
def test_life(what: str, code: int, stderr: str) -> None:
    check(run("isolated", what), code, stderr)


@needs_3_12
def test_exit_while_daemon_threads_open_and_close_streams() -> None:
    """Before the fix, a quarter of the programs ended with SIGABRT."""
    check(run("isolated", "daemons", runs=EXITS))


@needs_3_12
def test_exit_in_the_middle_of_an_import() -> None:
    check([run_fresh("isolated", "importing") for _ in range(2)])


@needs_3_12
@pytest.mark.parametrize("leave", ["", " leave"])
def test_exit_while_one_interpreter_is_ended_and_another_is_left(leave: str) -> None:
    """The exit must wait for the interpreter that is ending. Otherwise Python aborts, because this
    interpreter is no longer in its list of interpreters.
    """
    check([run_fresh("isolated", f"ending{leave}")], stderr=f"({STUCK}|{BUSY})+")


NO_IMPORT = """
import ctypes
from voicecoil import _core
started = ctypes.CDLL(None).vc_test_threads_started
core = _core.IsolatedCode("module:name")
before = started()
core.break_import()
print(before, started())
"""


@needs_3_12
@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: LD_PRELOAD is Linux's")
def test_where_nothing_is_imported_no_thread_breaks_it_off(tmp_path: Path) -> None:
    """The core starts a thread to interrupt an import, and does not wait for it. If no import runs,
    the core must start none, because the thread could write to an object that was freed.
    """
    done = subprocess.run(
        [sys.executable, "-c", NO_IMPORT],
        env={**os.environ, "LD_PRELOAD": str(shared_library("shim/threads.c", tmp_path))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    before, after = map(int, done.stdout.split())
    assert after == before


@needs_3_12
def test_an_end_that_follows_an_interruption_is_not_lost() -> None:
    for _ in range(5):
        _, driver = device()
        with opened("half", driver) as stream:
            stream.abort()
            keeper = stream._code.keeper
            keeper.interrupt()
            keeper.end(20.0)


@needs_3_12
@pytest.mark.skipif(not hasattr(ctypes.pythonapi, "PyOS_AfterFork_Child"), reason="no fork here")
def test_fork_while_running() -> None:
    check(run("isolated", "forked"))


@needs_3_12
def test_200_streams_one_after_the_other() -> None:
    check([run_fresh("isolated", "many_opens", deadline_s=280.0)])
