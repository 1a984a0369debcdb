"""Fixtures and settings of all tests."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from compiler import shared_library
from coreaudio import SteppedCoreAudio, Worlds
from paths import TESTS
from rig import Rig
from voicecoil.drivers.protocol import Driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork, unseen_error
from voicecoil.lifetime.flag import Flag
from voicecoil.sounds.mixing import close_outputs
from voicecoil.streams import recovery
from voicecoil.streams.stream import InputStream, OutputStream, Stream

# Hypothesis uses the same examples every time and has no deadline, because a machine may be slow.
settings.register_profile("voicecoil", deadline=None, derandomize=True)
settings.load_profile("voicecoil")


def pytest_configure() -> None:
    """Resets the handling of signals that tests send to the programs under test.

    A parent process such as nohup, or a shell with background jobs, ignores some signals. Its child
    processes inherit this, and Python then installs no handler for Ctrl-C.
    """
    # A program that has not asked for its error after this time gets a report. The tests set a long
    # time, because a slow machine may ask late.
    unseen_error.PATIENCE_S = 60.0
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP", "SIGALRM", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


# Tests whose result may depend on the version of Python. They use threads and thread states, the
# GIL or its absence, exit, fork, garbage collection, memory, or an extension module. Further tests
# of this kind have the mark `interpreter`.
_INTERPRETER = [
    TESTS / name
    for name in (
        "bridge",
        "callbacks",
        "drivers/miniaudio/test_miniaudio_contract.py",
        "drivers/virtual/test_stepping.py",
        "lifetime",
        "sounds/test_render.py",
        "sounds/test_sounds_and_signals.py",
        "streams",
        "test_package.py",
        "testing",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that depend on the interpreter, and those that are repeated after a failure.

    The clock of a real server does not wait for a busy machine. Therefore a test with a real server
    has three attempts, and pytest reports each of them.
    """
    for item in items:
        if any(folder in (item.path, *item.path.parents) for folder in _INTERPRETER):
            item.add_marker(pytest.mark.interpreter)
        if item.get_closest_marker("realtime"):
            item.add_marker(pytest.mark.flaky(reruns=2))


def _tried_again(config: pytest.Config) -> list[pytest.TestReport]:
    """Returns the failures after which a test had a further attempt."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [] if reporter is None else reporter.stats.get("rerun", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Lets the run fail if a process of it crashed, although the test had a further attempt."""
    if any(
        "crashed while running" in report.longreprtext for report in _tried_again(session.config)
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Shows why each test that had a further attempt has failed before."""
    again = _tried_again(config)
    if again:
        terminalreporter.section(f"UNSTABLE: {len(again)} failures were tried again")
    for report in again:
        terminalreporter.write_line(f"{report.nodeid} ({report.when})", bold=True)
        terminalreporter.write_line(report.longreprtext)


_FAILED = pytest.StashKey[bool]()
_FAILED_BEFORE = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require", action="store_true", help="a test that is skipped as NOT TESTED fails"
    )
    parser.addoption(
        "--may-lack", action="append", default=[], metavar="NAME", help="but not for want of this"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_not_tested(report, item.config)
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Closes streams that a failed test has left open, so that they do not disturb later tests."""
    try:
        yield
    except BaseException:
        item.stash[_FAILED] = True
        raise
    finally:
        if item.stash.get(_FAILED, False):
            item.config.stash[_FAILED_BEFORE] = True
            close_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Ignores errors of objects and threads that a failed test has left to the next one.

    Without this, the next test fails too, and so does the further attempt of the failed test.
    """
    if not item.config.stash.get(_FAILED_BEFORE, False):
        return (yield)
    item.config.stash[_FAILED_BEFORE] = False
    for name in ("last_exc", "last_value", "last_traceback"):  # pytest's references to the frames
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)
        warnings.simplefilter("ignore", pytest.PytestUnhandledThreadExceptionWarning)
        return (yield)


def close_all() -> None:
    """Closes all streams. Ignores errors, because the failed test has already reported an error."""
    with contextlib.suppress(Exception):
        close_outputs()
    for thing in exit_and_fork._live.now():
        with contextlib.suppress(Exception):
            thing.close_at_exit(1.0)
    # The calls above have ended the thread that checks devices. Later tests need a new one.
    recovery._thread = None
    recovery._ended = Flag()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_not_tested(report, collector.config)
    return report


def _refuse_not_tested(
    report: pytest.TestReport | pytest.CollectReport, config: pytest.Config
) -> None:
    """With --require, turns a skip into a failure if the machine lacks something.

    The reason of such a skip begins with NOT TESTED. A test that does not apply to this platform or
    this Python is skipped with another reason.
    """
    if not config.getoption("--require") or not report.skipped:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    allowed = any(name in reason for name in config.getoption("--may-lack"))
    if "NOT TESTED" in reason and not allowed:
        report.outcome = "failed"
        report.longrepr = f"{reason}\n(--require: what is not tested is a failure)"


def pytest_collection_finish() -> None:
    """Freezes the imported objects, so that garbage collections in tests need not traverse them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["virtual", "coreaudio"])
def stepped(request: pytest.FixtureRequest) -> Iterator[VirtualDevice | SteppedCoreAudio]:
    """A looped-back duplex device whose clock the test advances, with poisoned buffers.

    Each test runs on a virtual device and on a simulated CoreAudio device. A test of features that
    only one of them has restricts this: ``@pytest.mark.parametrize("stepped", ["virtual"],
    indirect=True)``.
    """
    if request.param == "virtual":
        yield VirtualDevice("Stepped", clock="stepped", frames=64, poison=True)
        return
    with SteppedCoreAudio("Stepped") as device:
        yield device


@pytest.fixture(autouse=True)
def _on_the_io_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes "low" the default latency, because most tests are about an IO cycle. Tests for all
    homes use the fixture `home`.
    """
    set_home(monkeypatch, "low")


@pytest.fixture
def on_a_worker(monkeypatch: pytest.MonkeyPatch, _on_the_io_thread: None) -> None:
    """Keeps "safe" the default latency, so that callbacks run on a worker."""
    set_home(monkeypatch, "safe")


LEADS: dict[str, str | float] = {"low": "low", "short": 128 / 48_000, "safe": "safe"}


@pytest.fixture(params=LEADS)
def home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _on_the_io_thread: None
) -> str:
    """Runs the test with each home of callbacks: on the IO thread, with a lead of two cycles of 64
    frames, and with the default lead of 60 ms.
    """
    set_home(monkeypatch, LEADS[request.param])
    return str(request.param)


def set_home(monkeypatch: pytest.MonkeyPatch, latency: str | float) -> None:
    for kind in (OutputStream, InputStream, Stream):
        defaults = kind.__init__.__kwdefaults__
        monkeypatch.setitem(defaults, "latency", latency)


@pytest.fixture
def driver(stepped: VirtualDevice | SteppedCoreAudio) -> Driver:
    if isinstance(stepped, SteppedCoreAudio):
        return stepped.driver
    return VirtualDriver([stepped])


@pytest.fixture(autouse=True)
def _nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the virtual device the default, so that tests play nothing on real devices."""
    monkeypatch.setenv("VOICECOIL_DRIVER", "virtual")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The native functions of native.c; see natives.py."""
    return ctypes.CDLL(str(shared_library("native.c", tmp_path_factory.mktemp("native"))))


@pytest.fixture
def coreaudio() -> Iterator[Worlds]:
    """Makes simulated CoreAudios, and checks each of them for leaks at the end of the test."""
    with Worlds() as worlds:
        yield worlds


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Closes the outputs of sounds after each test, so that the next test does not hear them and no
    thread remains.
    """
    before = set(threading.enumerate())
    yield
    output = sys.modules.get("voicecoil.sounds.mixing")
    if output is not None:
        output.close_outputs()
    names = ("voicecoil reader", "voicecoil recorder")
    for thread in set(threading.enumerate()) - before:
        if thread.name in names:
            thread.join(10)
            assert not thread.is_alive(), f"a test left its {thread.name!r} behind"


@pytest.fixture(params=["virtual", "coreaudio"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    if request.param == "virtual":
        yield Rig()
        return
    with SteppedCoreAudio("Rig") as device:
        rig = Rig(device=device)
        yield rig
        rig.close()
