"""The bridge for other extensions: builds `examples/bridge_extension` and uses it."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import voicecoil as vc
from paths import LIVES, ROOT
from programs import check, run, run_fresh
from rig import until
from voicecoil.callbacks.gate import Gate
from voicecoil.lifetime import exit_and_fork

SOURCES = ROOT / "examples" / "bridge_extension"
WHERE = ["here", "isolated"] if sys.version_info >= (3, 12) else ["here"]
needs_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the extension and returns its folder."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"NOT TESTED: there is no C compiler {compiler!r}; set CC")
    folder = tmp_path_factory.mktemp("bridge_extension")
    for source in SOURCES.iterdir():
        if source.is_file():
            shutil.copy(source, folder)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "CFLAGS": "-Wall -Wextra -Werror=implicit-function-declaration"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def load(build: Path, name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.find_spec(name) or importlib.util.spec_from_file_location(
            name, next(build.glob(f"{name}.*.so"))
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


@pytest.fixture
def ticker(build: Path) -> Any:
    return load(build, "ticker").Ticker


@pytest.fixture(autouse=True)
def _lives_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(LIVES))


def test_three_threads_call_with_arguments_of_their_own(ticker: Any) -> None:
    ticks: dict[int, list[int]] = {}
    lists: dict[int, set[int]] = {}
    threads: set[tuple[int, int]] = set()
    # The threads wait for each other, because a new thread may get the ident of one that has ended.
    together = threading.Barrier(3)

    def callback(now: list[int]) -> None:
        thread, tick = now
        if tick == 0:
            together.wait(30)
        ticks.setdefault(thread, []).append(tick)
        lists.setdefault(thread, set()).add(id(now))
        threads.add((thread, threading.get_ident()))

    one = ticker(callback, threads=3, ticks=100, pause_us=0)
    until(lambda: one.threads_left == 3)
    assert ticks == {thread: list(range(100)) for thread in range(3)}
    assert len({ident for _, ident in threads}) == 3
    assert all(len(seen) == 1 for seen in lists.values()), "each thread has a list of its own"
    assert (one.calls, one.raised) == (300, 0)
    one.close()


@needs_3_12
def test_an_isolated_callable_is_called_while_the_main_interpreter_is_locked(ticker: Any) -> None:
    one = ticker("ticker_code:tick", threads=3, pause_us=0)
    calls = ctypes.PyDLL(None)  # its functions keep the GIL
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        before = one.calls
        for _ in range(10_000):
            calls.usleep(1000)
            if one.calls > before + 1000:
                break
        assert one.calls > before + 1000
    finally:
        sys.setswitchinterval(switch)
    one.close()


@pytest.mark.parametrize("where", WHERE)
def test_an_exception_is_kept_and_calls_go_on(ticker: Any, where: str) -> None:
    def fails(now: list[int]) -> None:
        raise RuntimeError("meant")

    one = ticker(fails if where == "here" else "ticker_code:fails", ticks=5, pause_us=0)
    until(lambda: one.threads_left == 1)
    assert (one.calls, one.raised) == (0, 5)
    if where == "here":
        error = one.exception()
        assert type(error) is RuntimeError
        assert error.__traceback__.tb_frame.f_code.co_name == "fails"
    else:
        with pytest.raises(vc.IsolatedCallbackError, match="RuntimeError: meant"):
            raise one.exception()
    assert one.exception() is None
    one.close()


def test_a_callable_cannot_close_its_own_gate(ticker: Any) -> None:
    def closes(now: list[int]) -> None:
        one.close()

    ready = threading.Event()

    def callback(now: list[int]) -> None:
        if ready.is_set():
            closes(now)

    one = ticker(callback)
    ready.set()
    until(lambda: one.raised > 0)
    with pytest.raises(vc.StreamStateError, match="cannot close the gate"):
        raise one.exception()
    one.close()


def test_a_callable_cannot_close_its_gate_while_another_thread_closes_it(ticker: Any) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def callback(now: list[int]) -> None:
        inside.set()
        go_on.wait(60)
        one.close()

    one = ticker(callback, ticks=1)
    assert inside.wait(60)
    gates = [thing for thing in exit_and_fork._live.now() if isinstance(thing, Gate)]
    closing = threading.Thread(target=one.close, args=(60.0,))
    closing.start()
    until(lambda: any(gate._closing.locked() for gate in gates))
    go_on.set()
    closing.join(60)
    assert not closing.is_alive()
    with pytest.raises(vc.StreamStateError, match="cannot close the gate"):
        raise one.exception()


def test_closing_waits_for_calls_that_are_running(ticker: Any) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def callback(now: list[int]) -> None:
        inside.set()
        go_on.wait(20)

    one = ticker(callback, threads=2)
    assert inside.wait(20)
    with pytest.raises(vc.StreamTimeoutError, match=r"2 threads did not return .* 0\.01 s"):
        one.close(0.01)
    go_on.set()
    one.close()
    calls = one.calls
    until(lambda: one.threads_left == 2)
    assert one.calls == calls == 2
    one.close()


def test_the_callable_is_let_go(ticker: Any) -> None:
    class Callback:
        def __call__(self, now: list[int]) -> None:
            pass

    callback = Callback()
    alive = weakref.ref(callback)
    one = ticker(callback)
    del callback
    one.close()
    del one
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("where", WHERE)
def test_endless_recursion_on_a_small_stack(ticker: Any, where: str) -> None:
    def deeper(now: list[int]) -> None:
        sorted([1, 2], key=lambda _: deeper(now))

    code = deeper if where == "here" else "ticker_code:deeper"
    one = ticker(code, ticks=1, stack_bytes=512 * 1024)
    until(lambda: one.threads_left == 1)
    error = one.exception()
    assert isinstance(error, (RecursionError, vc.IsolatedCallbackError))
    assert "Recursion" in repr(error)
    assert len(str(error).splitlines()) < 200
    one.close()


def test_callables_that_cannot_be_opened(ticker: Any) -> None:
    with pytest.raises(TypeError, match="3 cannot be called"):
        ticker(3)
    if sys.version_info < (3, 12):
        with pytest.raises(NotImplementedError, match=r"3\.12"):
            ticker("ticker_code:tick")
        return
    with pytest.raises(ImportError, match="no_such_module"):
        ticker("no_such_module:x")
    with pytest.raises(ValueError, match="ticker_code has no 'nothing'"):
        ticker("ticker_code:nothing")


def test_from_cython(build: Path) -> None:
    counter = load(build, "counter")
    seen = []
    assert counter.call(lambda: seen.append(threading.get_ident()), 10) == 10
    assert seen == [threading.get_ident()] * 10
    with pytest.raises(ZeroDivisionError):
        counter.call(lambda: 1 / 0, 3)


def test_the_header_is_installed() -> None:
    assert Path(vc.get_include(), "voicecoil_bridge.h").is_file()


# ---- end of the program, fork --------------------------------------------------------------------


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("what", "code", "stderr"),
    [
        ("end", 0, ""),
        ("sys.exit", 3, ""),
        ("os._exit", 7, ""),
        ("signalled", -2, r"Traceback \(most recent call last\):\n(  .*\n)+KeyboardInterrupt\n"),
        ("dropped", 0, ""),
        ("many", 0, ""),
        ("never_closed", 0, ""),
    ],
)
def test_life(build: Path, where: str, what: str, code: int, stderr: str) -> None:
    check(run("ticker_life", str(build), where, what), code, stderr)


@pytest.mark.parametrize("where", WHERE)
def test_an_exception_that_the_program_never_took_is_reported(build: Path, where: str) -> None:
    shown = run_fresh("ticker_life", str(build), where, "unseen")
    assert shown.code == 0
    assert shown.stderr.startswith("Exception ignored in: ")
    assert "RuntimeError: meant" in shown.stderr


@pytest.mark.parametrize("where", WHERE)
def test_a_callable_that_is_stuck_is_reported(build: Path, where: str) -> None:
    shown = run_fresh("ticker_life", str(build), where, "stuck")
    assert shown.code == 0, shown.stderr
    assert "StreamTimeoutError: 3 threads did not return" in shown.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("where", WHERE)
def test_fork(build: Path, where: str) -> None:
    check(run("ticker_life", str(build), where, "forked"))
