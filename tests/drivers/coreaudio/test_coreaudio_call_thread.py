"""The thread that calls CoreAudio, with deadlines, calls that hang, and interrupted calls."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import voicecoil as vc
from callers import LONG_S, SHORT_S, Caller, Gate
from coreaudio import Worlds
from rig import until
from voicecoil.drivers.call_thread import CallThread, NotBegunError, check_wanted
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.drivers.protocol import OpenRequest
from voicecoil.testing import SimulatedCoreAudio


@pytest.fixture
def thread() -> Iterator[CallThread]:
    thread = CallThread("calls", "the tests' audio")
    yield thread
    assert thread.settle(LONG_S)


def test_a_deadline_counts_from_the_beginning_of_its_own_call(thread: CallThread) -> None:
    slow = Gate()
    first = Caller(lambda: thread.call("slow", slow, LONG_S))
    assert slow.inside.wait(LONG_S)
    second = Caller(lambda: thread.call("quick", threading.current_thread, SHORT_S))
    second.join(10 * SHORT_S)
    assert second.is_alive(), "the deadline begins with the call itself"
    slow.open.set()
    assert first.outcome() == "done"
    assert second.outcome().name == "calls"
    assert thread.abandoned == []


def test_calls_of_many_threads_are_made_one_at_a_time(thread: CallThread) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.001)  # gives other calls time to run at once
        inside -= 1

    callers = [
        Caller(lambda: [thread.call("work", work, LONG_S) for _ in range(20)]) for _ in range(8)
    ]
    assert all(len(caller.outcome()) == 20 for caller in callers)
    assert most == 1


def test_a_call_that_waits_too_long_names_the_call_before_it_and_is_not_made(
    thread: CallThread,
) -> None:
    slow, done = Gate(), []
    first = Caller(lambda: thread.call("slow", slow, LONG_S))
    assert slow.inside.wait(LONG_S)
    with pytest.raises(NotBegunError, match=r"quick waited 0\.05 s for 'slow'.*was not made"):
        thread.call("quick", lambda: done.append(1), LONG_S, queue_s=SHORT_S)
    with pytest.raises(NotBegunError, match="is made when the other calls have returned"):
        thread.call("cleaning", lambda: done.append(2), LONG_S, queue_s=SHORT_S, later=True)
    slow.open.set()
    assert first.outcome() == "done", "the slow call returns as usual"
    assert thread.call("last", lambda: done, LONG_S) == [2]
    assert thread.abandoned == []


def test_only_the_hanging_call_is_abandoned_and_waiting_calls_are_made(
    thread: CallThread,
) -> None:
    hung, undone = Gate(), []
    first = Caller(lambda: thread.call("hung", hung, 4 * SHORT_S, undo=undone.append))
    assert hung.inside.wait(LONG_S)
    behind = [Caller(lambda n=n: thread.call("next", lambda: n, SHORT_S)) for n in range(3)]
    assert isinstance(first.outcome(), vc.StreamTimeoutError)
    assert [caller.outcome() for caller in behind] == [0, 1, 2]
    assert thread.abandoned == ["hung"]
    assert not thread.settle(0)
    hung.open.set()
    assert thread.settle(LONG_S)
    assert undone == ["done"]


def test_a_hanging_call_is_undone_by_the_successor_thread(thread: CallThread) -> None:
    hung, undone_on = Gate(), []

    def undo(result: Any) -> None:
        undone_on.append((threading.current_thread(), thread.is_current))

    with pytest.raises(vc.StreamTimeoutError, match="hung did not return within"):
        thread.call("hung", hung, SHORT_S, undo=undo)
    other = thread.call("next", threading.current_thread, LONG_S)
    hung.open.set()
    assert thread.settle(LONG_S)
    assert undone_on == [(other, True)]


def test_an_undoing_that_fails_is_shown(
    thread: CallThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: shown.append(it.exc_value))
    hung, error = Gate(), OSError("meant")

    def undo(result: Any) -> None:
        raise error

    with pytest.raises(vc.StreamTimeoutError):
        thread.call("hung", hung, SHORT_S, undo=undo)
    hung.open.set()
    until(lambda: shown == [error])


def interrupted(call: Callable[[], Any], inside: threading.Event) -> None:
    """Sends Ctrl-C while the main thread waits in `call`."""

    def press() -> None:
        if inside.wait(LONG_S):
            signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        call()
        raise AssertionError("it returned")
    presser.join()


def test_an_interrupted_call_is_undone(thread: CallThread) -> None:
    slow, undone = Gate("opened"), []
    interrupted(lambda: thread.call("slow", slow, LONG_S, undo=undone.append), slow.inside)
    slow.open.set()
    assert thread.settle(LONG_S)
    assert undone == ["opened"]
    assert thread.abandoned == []


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_that_comes_with_the_end_of_a_call(thread: CallThread, fails: bool) -> None:
    """The call ends and the signal arrives at the same moment."""
    undone: list[str] = []

    def work() -> str:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # while the call is ending
        if fails:
            raise vc.DriverError("the tests' own", call="work")
        return "opened"

    with pytest.raises(KeyboardInterrupt):
        thread.call("work", work, LONG_S, undo=undone.append)
    until(lambda: fails or undone == ["opened"])
    assert thread.settle(LONG_S)


def test_an_interrupted_call_that_hangs_is_replaced_at_its_deadline(thread: CallThread) -> None:
    hung = Gate()
    interrupted(lambda: thread.call("hung", hung, 4 * SHORT_S), hung.inside)
    assert thread.call("next", lambda: "went on", LONG_S) == "went on"
    assert thread.abandoned == ["hung"]
    hung.open.set()


@pytest.mark.parametrize("of_another", [False, True])
def test_a_call_that_comes_back_late_is_refused_and_tidied_up_by_its_successor(
    thread: CallThread, of_another: bool
) -> None:
    """The thread that made the call, or another thread that waits for it, starts the successor."""
    hung, tidied, refused = Gate(), [], []

    def tidy() -> None:
        check_wanted()
        tidied.append(threading.current_thread())

    def work() -> None:
        check_wanted()  # raises nothing, because the call is still wanted
        hung()
        try:
            check_wanted()
        except BaseException as error:
            refused.append(error)
            thread.ensure("tidying", tidy)
            raise

    old = thread.call("which", threading.current_thread, LONG_S)
    if of_another:
        interrupted(lambda: thread.call("late", work, 4 * SHORT_S), hung.inside)
    else:
        with pytest.raises(vc.StreamTimeoutError, match="late did not return"):
            thread.call("late", work, SHORT_S)
    new = thread.call("next", threading.current_thread, LONG_S)
    hung.open.set()
    assert thread.settle(LONG_S)
    assert old is not new
    assert tidied == [new]
    assert "another thread took over" in str(refused[0])


def test_a_call_that_is_only_interrupted_goes_on_to_its_end(thread: CallThread) -> None:
    slow, ends = Gate(), []

    def work() -> None:
        slow()
        check_wanted()
        ends.append(1)

    interrupted(lambda: thread.call("slow", work, LONG_S), slow.inside)
    slow.open.set()
    assert thread.settle(LONG_S)
    assert ends == [1]


# ---- calls of CoreAudio ------------------------------------------------------------------------


def until_blocked(world: SimulatedCoreAudio) -> threading.Event:
    """Waits until a call of CoreAudio blocks."""
    inside = threading.Event()

    def look() -> None:
        if world.library.sim_wait_blocked(1, int(LONG_S * 1000)) >= 1:
            inside.set()

    threading.Thread(target=look, daemon=True).start()
    return inside


def test_ctrl_c_while_a_stream_opens_leaves_nothing_open(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    world.device("USBDuplex:1").hang(what="fsiz")
    interrupted(
        lambda: vc.OutputStream(lambda block: None, driver=world.driver, device="USBDuplex:1"),
        until_blocked(world),
    )
    world.release_hung()
    assert world.driver.settle(LONG_S)
    assert world.driver.open_streams == 0
    # If the stream were still counted as open, the device would keep its rate.
    with vc.OutputStream(
        lambda block: None, driver=world.driver, samplerate=96_000, device_rate="set"
    ) as stream:
        assert stream.samplerate == 96_000
        stream.abort()


def test_ctrl_c_while_a_stream_starts_stops_the_device(coreaudio: Worlds) -> None:
    world = coreaudio(16, switches={"hang_holds_io_mutex": 1})
    blocks: list[int] = []
    stream = vc.OutputStream(lambda block: blocks.append(1), driver=world.driver, device="Hung")
    interrupted(stream.start, until_blocked(world))
    assert world.driver.kept_ioprocs == 1
    world.release_hung()
    assert world.driver.settle(LONG_S)
    assert world.driver.kept_ioprocs == 0
    world.advance(0.1)
    assert blocks == []
    stream.close()


def test_a_slow_start_of_one_device_is_no_trouble_of_another(coreaudio: Worlds) -> None:
    world = coreaudio(3, 16, timeouts=Timeouts(call_s=SHORT_S, start_s=LONG_S))
    healthy = vc.OutputStream(lambda block: None, driver=world.driver, device="USBDuplex:1")
    healthy.start()
    world.advance(0.05)
    other = vc.OutputStream(lambda block: None, driver=world.driver, device="Hung")
    inside = until_blocked(world)
    starting = Caller(other.start)
    assert inside.wait(LONG_S)
    world.device("USBDuplex:1").notify("nsrt")
    world.advance(0.05)
    assert not healthy.wait(0), "a device that cannot be checked now is not lost"
    world.release_hung()
    assert starting.outcome() is None
    world.advance(0.05)
    assert not healthy.wait(0)
    assert world.driver.abandoned_calls == []
    for stream in (healthy, other):
        stream.abort()
        stream.close()


def test_a_getter_that_hangs_is_abandoned_and_the_device_lost(coreaudio: Worlds) -> None:
    world = coreaudio(3, 8, timeouts=Timeouts(call_s=SHORT_S * 4))
    device = world.device("USBDuplex:1")
    stream = vc.OutputStream(lambda block: None, driver=world.driver, device="USBDuplex:1")
    stream.start()
    world.advance(0.05)
    device.hang(what="livn")
    device.notify("livn")
    world.advance(0.05)
    lost = r"checking 'Simulated USB Duplex' did not return within 0\.2 s"
    with pytest.raises(vc.DeviceLostError, match=lost):
        stream.wait(5)
    stream.close()
    assert world.driver.kept_ioprocs == 0, "the successor thread stopped the device"
    with vc.OutputStream(lambda block: None, driver=world.driver, device="Loopback") as other:
        world.advance(0.05)
        other.abort()
    world.release_hung()
    assert world.driver.settle(LONG_S)


def test_a_getter_that_hangs_while_the_devices_are_listed(coreaudio: Worlds) -> None:
    world = coreaudio(3, timeouts=Timeouts(call_s=SHORT_S * 4))
    world.device("USBDuplex:1").hang(what="uid ")
    with pytest.raises(vc.StreamTimeoutError, match="listing the devices did not return"):
        world.driver.devices()
    world.release_hung()
    assert world.driver.settle(LONG_S)
    assert [device.uid for device in world.driver.devices()] == ["USBDuplex:1"]


class Late:
    """A call that hangs and was abandoned. It returns while the next call thread is busy."""

    def __init__(self, world: SimulatedCoreAudio, old: threading.Thread) -> None:
        self.world, self.old = world, old
        self.busy = Gate()
        self.other = Caller(lambda: world.driver.call("busy", self.busy, LONG_S))
        assert self.busy.inside.wait(LONG_S)
        self.calls = world.counter("hal_calls")

    def comes_back(self) -> None:
        self.world.release_hung()
        until(lambda: not self.old.is_alive())
        assert self.world.counter("hal_calls") == self.calls, (
            "the successor called CoreAudio meanwhile"
        )
        self.busy.open.set()
        assert self.other.outcome() == "done"
        assert self.world.driver.settle(LONG_S)


@pytest.mark.parametrize("what", ["uid ", "nsr#", "fsiz", "sfmt", "ltnc"])
def test_an_opening_that_comes_back_late_calls_coreaudio_no_more(
    coreaudio: Worlds, what: str
) -> None:
    world = coreaudio(3)
    device = world.device("USBDuplex:1")
    found = world.driver.devices()[0]
    request = OpenRequest(found, (), (0, 1), 96_000.0, 128)
    long = world.driver.timeouts
    world.driver.timeouts = Timeouts(call_s=SHORT_S, rate_s=SHORT_S, buffer_s=SHORT_S)
    old = world.driver.call("", threading.current_thread, LONG_S)
    device.hang(what=what)
    with pytest.raises(vc.StreamTimeoutError, match="opening 'Simulated USB Duplex'"):
        world.driver.open_stream(request)
    device.hang(0, what=what)
    world.driver.timeouts = long
    Late(world, old).comes_back()
    assert world.driver.open_streams == 0
    assert world.counter("live_listeners") == 0
    if what in ("uid ", "nsr#"):
        assert world.driver.devices()[0].samplerate == 48_000, "the abandoned opening set no rate"


def test_a_start_that_fails_late_is_tidied_up_by_the_successor(coreaudio: Worlds) -> None:
    world = coreaudio(16, timeouts=Timeouts(start_s=4 * SHORT_S))
    stream = vc.OutputStream(lambda block: None, driver=world.driver, device="Hung")
    old = world.driver.call("", threading.current_thread, LONG_S)
    with pytest.raises(vc.StreamTimeoutError, match="AudioDeviceStart of 'Simulated Hung'"):
        stream.start()
    late = Late(world, old)
    # This makes AudioDeviceStart fail when it returns.
    world.check(world.library.sim_remove_device(world.device("Hung").id))
    late.comes_back()
    assert world.driver.kept_ioprocs == 0
    stream.close()


def test_a_stop_that_comes_back_late_goes_on_with_the_successor(coreaudio: Worlds) -> None:
    world = coreaudio(
        3, timeouts=Timeouts(call_s=SHORT_S, start_s=SHORT_S), switches={"hang_holds_io_mutex": 1}
    )
    streams = [vc.OutputStream(lambda block: None, driver=world.driver) for _ in range(2)]
    streams[0].start()
    world.advance(0.05)
    world.device("USBDuplex:1").hang()
    with pytest.raises(vc.StreamTimeoutError, match="AudioDeviceStart"):
        streams[1].start()
    old = world.driver.call("", threading.current_thread, LONG_S)
    with pytest.raises(vc.StreamTimeoutError, match="AudioDeviceStop"):
        streams[0].abort()
    Late(world, old).comes_back()
    assert world.driver.kept_ioprocs == 0
    for stream in streams:
        stream.close()
