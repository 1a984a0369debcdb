"""A call that hangs keeps its session of the audio system. Later calls use another session."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import voicecoil as vc
from callers import LONG_S, SHORT_S, Caller, Gate
from voicecoil.drivers.call_thread import CallThread, check_wanted
from voicecoil.drivers.miniaudio.session import Context


class Session:
    """A session that records on which threads it was closed."""

    made: list[Session]

    def __init__(self) -> None:
        self.closed_on: list[threading.Thread] = []
        self.made.append(self)

    def close(self) -> None:
        self.closed_on.append(threading.current_thread())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    made: list[Session] = []
    monkeypatch.setattr(Session, "made", made, raising=False)
    return made


@pytest.fixture
def thread(made: list[Session]) -> Iterator[CallThread]:
    thread = CallThread("calls", "the tests' audio", Session)
    yield thread
    assert thread.settle(LONG_S)


def test_calls_share_one_session_as_long_as_none_hangs(
    thread: CallThread, made: list[Session]
) -> None:
    assert thread.session is None
    seen = [thread.call("look", lambda: thread.session, LONG_S) for _ in range(3)]
    assert seen == [made[0]] * 3
    assert len(made) == 1


def test_a_replaced_session_is_closed_when_its_thread_returns(
    thread: CallThread, made: list[Session]
) -> None:
    hung = Gate()

    def hang() -> Session:
        hung()
        assert thread.session is made[0], "the abandoned call keeps its session"
        check_wanted()
        raise AssertionError("the abandoned call continued")

    with pytest.raises(vc.StreamTimeoutError):
        thread.call("hung", hang, SHORT_S)
    assert thread.hanging == ["hung"]
    assert thread.call("next", lambda: thread.session, LONG_S) is made[1]
    other = thread.call("next", threading.current_thread, LONG_S)
    assert made[0].closed_on == []
    hung.open.set()
    assert thread.settle(LONG_S)
    assert made[0].closed_on == [other]
    assert thread.hanging == []
    assert made[1].closed_on == []


def test_a_replaced_session_is_closed_after_an_interrupted_wait(
    thread: CallThread, made: list[Session]
) -> None:
    hung = Gate()

    def interrupt() -> None:
        assert hung.inside.wait(LONG_S)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        thread.call("hung", hung, 4 * SHORT_S, meanwhile=interrupt)
    assert thread.call("next", lambda: thread.session, LONG_S) is made[1]
    hung.open.set()
    assert thread.settle(LONG_S)
    assert len(made[0].closed_on) == 1


def test_waiting_calls_never_get_the_session_of_a_hanging_call(
    thread: CallThread, made: list[Session]
) -> None:
    hung = Gate()
    first = Caller(lambda: thread.call("hung", hung, 4 * SHORT_S))
    assert hung.inside.wait(LONG_S)
    behind = [Caller(lambda: thread.call("next", lambda: thread.session, LONG_S)) for _ in range(4)]
    assert {caller.outcome() for caller in behind} == {made[1]}
    assert isinstance(first.outcome(), vc.StreamTimeoutError)
    hung.open.set()


def test_a_context_is_freed_when_it_is_retired_and_its_last_device_is_gone() -> None:
    freed: list[str] = []
    context = Context("it", freed.append, None)
    context.lend()
    context.lend()
    context.give_back()
    context.retire()
    assert freed == []
    context.give_back()
    assert freed == ["it"]
    context.retire()
    assert freed == ["it"]


def test_a_context_without_devices_is_freed_at_once() -> None:
    freed: list[str] = []
    context = Context("it", freed.append, None)
    context.lend()
    context.give_back()
    assert freed == []
    context.retire()
    assert freed == ["it"]
