"""Threads in the os_workgroup of a device's IO thread: the worker, and threads of the program.

The simulated HAL checks that each thread leaves its workgroups itself, in reverse order, and before
it ends. The real one aborts the process otherwise.
"""

from __future__ import annotations

import gc
import threading

import pytest

import voicecoil as vc
from coreaudio import Worlds
from losing import came_back, is_away
from rig import until
from voicecoil.drivers.coreaudio import _hal
from voicecoil.errors import StreamClosedError, StreamStateError
from voicecoil.testing import SimulatedCoreAudio, VirtualDevice, VirtualDriver

USB = "USBDuplex:1"


def members(world: SimulatedCoreAudio) -> int:
    return world.counter("live_workgroup_joins")


def open_low(world: SimulatedCoreAudio) -> vc.OutputStream:
    return vc.OutputStream(lambda block: None, device=USB, driver=world.driver, latency="low")


def test_a_thread_of_the_program_joins_and_leaves(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with open_low(world) as stream:
        membership = stream.workgroup()
        assert not membership.joined
        with pytest.raises(KeyError), membership as inside:
            assert inside.joined
            assert members(world) == 1
            with stream.workgroup() as again:  # the thread is in it already
                assert again.joined
                assert members(world) == 1
            with pytest.raises(StreamStateError, match="in each thread"):
                membership.__enter__()
            assert members(world) == 1
            raise KeyError
        assert not membership.joined
        assert members(world) == 0
        seen: list[int] = []

        def work() -> None:
            with stream.workgroup():
                seen.append(members(world))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(seen) == 4
        assert min(seen) >= 1
        assert members(world) == 0
        stream.abort()
    with pytest.raises(StreamClosedError):
        stream.workgroup()


def test_only_the_thread_that_has_joined_can_leave(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with open_low(world) as stream:
        membership = stream.workgroup()
        errors: list[BaseException] = []

        def leave() -> None:
            try:
                membership.__exit__(None, None, None)
            except StreamStateError as error:
                errors.append(error)

        with membership:
            other = threading.Thread(target=leave)
            other.start()
            other.join(60)
            assert members(world) == 1
        assert "only that thread can leave it" in str(errors[0])
        assert members(world) == 0
        stream.abort()


def test_without_a_workgroup_the_block_does_nothing(coreaudio: Worlds) -> None:
    world = coreaudio(3, switches={"workgroup": 1})
    with open_low(world) as stream:
        with stream.workgroup() as membership:
            assert not membership.joined
        stream.abort()
    device = VirtualDevice(clock="stepped")
    with (
        vc.OutputStream(lambda block: None, driver=VirtualDriver([device])) as virtual,
        virtual.workgroup() as membership,
    ):
        assert not membership.joined
        virtual.abort()


def test_a_device_that_has_gone_has_no_workgroup(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    stream = open_low(world)
    stream.start()
    with stream.workgroup() as membership:
        assert membership.joined
        world.device(USB).remove()
        world.advance(0.1)
        with stream.workgroup() as second:
            assert not second.joined
    assert members(world) == 0
    stream.close()


@pytest.mark.parametrize("workgroup", [0, 2])
def test_the_worker_is_in_the_workgroup_of_its_device(coreaudio: Worlds, workgroup: int) -> None:
    """With the switch 2, a device gets another workgroup each time when its IO begins."""
    world = coreaudio(3, switches={"workgroup": workgroup})
    threads: list[int] = []

    def callback(block: vc.Block) -> None:
        threads.append(threading.get_ident())

    stream = vc.OutputStream(
        callback, device=USB, driver=world.driver, latency="safe", on_device_lost="wait"
    )
    for _ in range(2):
        stream.start()
        world.advance(0.2)
        assert members(world) == 1
        stream.abort()
        assert members(world) == 0
    stream.start()
    world.advance(0.2)
    simulated = world.device(USB)
    for times in (1, 2):
        simulated.remove()
        world.advance(0.05)
        is_away(stream)
        simulated.replug()
        came_back(stream, times)
        world.advance(0.2)
        until(lambda: members(world) == 1)
        assert world.counter("live_workgroups") >= 1
    assert threading.get_ident() not in threads
    stream.close()
    assert members(world) == 0
    assert world.counter("live_workgroups") == 0


def test_a_workgroup_is_released_by_its_last_user(coreaudio: Worlds) -> None:
    """Not by the deletion of the object, which a free-threaded Python may delay without a limit."""
    world = coreaudio(3)

    def objects() -> list[object]:
        return [found for found in gc.get_objects() if isinstance(found, _hal.Workgroup)]

    with open_low(world) as stream:
        with stream.workgroup() as membership:
            assert membership.joined
            with stream.workgroup():  # the thread is in it already
                assert world.counter("live_workgroups") == 1
            kept = objects()
        assert kept
        assert world.counter("live_workgroups") == 0
        stream.abort()
    stream = vc.OutputStream(lambda block: None, device=USB, driver=world.driver, latency="safe")
    stream.start()
    world.advance(0.2)
    assert world.counter("live_workgroups") == 1
    kept += objects()
    stream.close()
    assert len(kept) > 1
    assert world.counter("live_workgroups") == 0
