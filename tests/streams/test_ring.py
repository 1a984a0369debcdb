"""All frames come out of the native ring once and in order, for every size of reads and writes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coded import assert_coded, coded
from voicecoil._core import Ring

CHUNKS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=60)


@given(capacity=st.integers(1, 64), channels=st.integers(1, 8), chunks=CHUNKS)
@settings(deadline=None)
def test_all_frames_come_out_once_in_order(
    capacity: int, channels: int, chunks: list[tuple[int, int]]
) -> None:
    ring = Ring(capacity, channels)
    assert ring.capacity >= capacity
    written = read = 0
    for write_frames, read_frames in chunks:
        room = ring.writable
        accepted = ring.write(coded(written, write_frames, channels))
        assert accepted == min(write_frames, room)
        written += accepted
        ready = ring.readable
        assert ready == written - read
        out = np.full((read_frames, channels), np.nan, np.float32)
        got = ring.read(out)
        assert got == min(read_frames, ready)
        assert_coded(out[:got], read)
        assert np.isnan(out[got:]).all(), "memory behind the frames read is unchanged"
        read += got
    assert (ring.total_written, ring.total_read) == (written, read)


@given(chunk=st.integers(1, 70), total=st.integers(0, 3000))
@settings(deadline=None, max_examples=20)
def test_two_threads(chunk: int, total: int) -> None:
    ring = Ring(64, 2)

    def write() -> None:
        done = 0
        while done < total:
            done += ring.write(coded(done, min(chunk, total - done), 2))
        ring.end()

    writer = threading.Thread(target=write)
    writer.start()
    blocks = []
    while not ring.finished:
        block = np.empty((chunk, 2), np.float32)
        blocks.append(block[: ring.read(block)])
    writer.join(10)
    assert not writer.is_alive()
    assert_coded(np.concatenate([np.empty((0, 2), np.float32), *blocks]))
    assert ring.total_read == total


def test_the_end_comes_after_the_last_frame() -> None:
    ring = Ring(8, 1)
    ring.write(coded(0, 3, 1))
    ring.end()
    assert not ring.finished
    ring.read(np.empty((3, 1), np.float32))
    assert ring.finished


@pytest.mark.parametrize("method", ["read", "write"])
def test_another_number_of_channels(method: str) -> None:
    with pytest.raises(ValueError, match="number of channels"):
        getattr(Ring(8, 2), method)(np.zeros((4, 3), np.float32))
