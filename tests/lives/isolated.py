"""A stream with an isolated callable. Argument: the function below that the program runs."""

import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

from life import devices, until

import voicecoil as vc
from voicecoil.callbacks import isolated
from voicecoil.lifetime import exit_and_fork


def opened(name: str = "beat", driver: Any = None, **wanted: Any) -> vc.OutputStream:
    return vc.OutputStream(
        f"isolated_code:{name}",
        isolated=True,
        driver=driver or devices(),
        results={"blocks": 0},
        **wanted,
    )


def beaten(stream: vc.OutputStream, times: int = 2) -> vc.OutputStream:
    """Waits until the callable was called `times` more times."""
    before = stream.results.blocks
    until(lambda: stream.results.blocks >= before + times)
    return stream


def playing(name: str = "beat", **wanted: Any) -> vc.OutputStream:
    stream = opened(name, **wanted)
    stream.start()
    return beaten(stream)


def threads_now() -> int:
    """Returns the number of threads without the control threads, which start with the first event
    and never end. If the system cannot list threads, counts only keeper threads.
    """
    folder = Path("/proc/self/task")
    if folder.exists():
        lasting = sum(thread.name == "voicecoil control" for thread in threading.enumerate())
        return len(list(folder.iterdir())) - lasting
    return sum(thread.name == "voicecoil keeper" for thread in threading.enumerate())


def exit_in_thread() -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    beaten(stream)


def collected() -> None:
    holder: dict[str, Any] = {"stream": playing()}
    holder["itself"] = holder
    threads = threads_now()
    del holder
    gc.collect()
    until(lambda: threads_now() <= threads - 2)  # its IO thread and its keeper thread have ended


def dropped() -> None:
    before = threads_now()
    playing()
    until(lambda: threads_now() <= before)


def closed_twice() -> None:
    stream.close()
    stream.close()
    again = playing()
    again.stop()
    again.start()
    beaten(again)
    again.abort()


def many_opens() -> None:
    driver = devices(clock="free")
    before = threads_now()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(200):
            with opened(driver=driver) as one:
                beaten(one, 1)
    said = [str(one.message) for one in caught]
    assert len(said) == 1, said  # about memory that CPython keeps
    assert "has made 100 isolated interpreters" in said[0], said
    until(lambda: threads_now() <= before)


def many_at_once() -> None:
    driver = devices(32)
    streams = [opened(driver=driver, device=f"Life {i}") for i in range(32)]
    for one in streams:
        one.start()
    for one in streams:
        beaten(one)
    for one in streams[::2]:
        one.close()
    for one in streams[1::2]:
        beaten(one)
    assert [one.state for one in streams] == ["closed", "running"] * 16
    globals()["streams"] = streams


def forked() -> None:
    child = os.fork()
    if child == 0:
        for call in (stream.start, stream.stop, stream.abort, stream.wait):
            try:
                call()
                os._exit(11)
            except vc.ForkedError:
                pass
        stream.close()
        globals()["own"] = playing()
        sys.exit(0)  # exits while a stream plays
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    beaten(stream)


def daemons() -> None:
    """Threads open and close isolated streams while the program ends. On a busy machine, opening
    may take longer than the second that the end gives to all streams.
    """
    exit_and_fork.EXIT_S = isolated.EXIT_S = 20.0
    ready = threading.Event()

    def open_and_close() -> None:
        with contextlib.suppress(vc.StreamStateError):
            while True:
                with opened() as one:
                    beaten(one, 1)
                    ready.set()

    for _ in range(2):
        threading.Thread(target=open_and_close, daemon=True).start()
    assert ready.wait(20)


def importing() -> None:
    """A thread imports a module for a long time while the program ends. On a busy machine, it may
    run again later than in the two seconds that the end gives to it.
    """
    exit_and_fork.EXIT_S = isolated.EXIT_S = 20.0
    began = Path(tempfile.mkdtemp()) / "began"
    os.environ["LIFE_IMPORT_BEGAN"] = str(began)

    def open_one() -> None:
        with contextlib.suppress(vc.StreamStateError):
            vc.OutputStream("isolated_imports:beat", isolated=True, driver=devices())

    threading.Thread(target=open_one, daemon=True).start()
    until(began.exists)
    shutil.rmtree(began.parent)


def ending(leave: str = "") -> None:
    """One interpreter is ending while another one is abandoned, because a thread is stuck in it."""
    folder = Path(tempfile.mkdtemp())
    os.environ["LIFE_ENDING"] = str(folder)
    one = globals()["ending_one"] = vc.OutputStream(
        "isolated_ending:beat", isolated=True, driver=devices()
    )
    keeper = next(t for t in reversed(threading.enumerate()) if t.name == "voicecoil keeper")
    threading.Thread(target=one.close, daemon=True).start()
    until((folder / "began").exists)
    stuck("stuck_for_ever")
    if leave:
        one._code.keeper.leave()
    # The first interpreter may end only after the other one was abandoned. The process waits for
    # the end of the first one.
    exit_and_fork._last.insert(0, (folder / "go on").touch)
    exit_and_fork.at_the_end(lambda: until(lambda: not keeper.is_alive()))


def stuck(name: str) -> None:
    one = globals()["one"] = opened(name)
    one.start()
    until(lambda: one._connection.code.running_on)


def sleeping(name: str) -> None:
    stuck(name)
    globals()["one"].stop()


def signalled() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(20)


def unhandled() -> None:
    raise RuntimeError("meant")


def unseen() -> None:
    one = globals()["one"] = opened("fails")
    one.start()
    until(lambda: one.state == "finished")


def recursion() -> None:
    sys.setrecursionlimit(1500)
    one = opened("recurses", devices())
    one.start()
    text = "nothing was raised"
    try:
        one.wait(20)
    except vc.IsolatedCallbackError as error:
        text = str(error)
    assert "RecursionError" in text, text


stream = playing("garbage")
what, *arguments = sys.argv[1].split()
{
    "end": lambda: None,
    "sys.exit": lambda: sys.exit(3),
    "os._exit": lambda: os._exit(7),
    **{
        function.__name__: function
        for function in (
            *(exit_in_thread, collected, dropped, closed_twice, many_opens, many_at_once),
            *(
                forked,
                daemons,
                importing,
                ending,
                stuck,
                sleeping,
                signalled,
                unhandled,
                unseen,
                recursion,
            ),
        )
    },
}[what](*arguments)
